"""Pixel scaling: layers from raw pixels 0..255 to what a network is fed with."""

from __future__ import annotations

from collections.abc import Iterator

import keras

from sweep.records.image_facts import ImageFacts


def pixel_scaling_layers(scaling: str, facts: ImageFacts) -> Iterator[keras.Layer]:
    """Layers from raw pixels 0..255 to what the network is fed with.

    `unit`: x / 255. `centered`: x / 255 - mean. `standardized`: (x / 255 - mean) / std; mean and standard deviation
    are those of the training images per channel. `raw`: x as floating point, for a network that scales by itself.
    """
    if scaling == "raw":
        yield keras.layers.Rescaling(1.0, name="pixels_to_float")
        return
    yield keras.layers.Rescaling(1 / 255, name="pixels_to_unit")
    if scaling == "unit":
        return
    # A constant channel has no spread: 1e-6 keeps the division defined and its value 0.
    spread = facts.channel_std if scaling == "standardized" else (1.0,) * len(facts.channel_std)
    variance = [max(std, 1e-6) ** 2 for std in spread]
    yield keras.layers.Normalization(mean=list(facts.channel_mean), variance=variance, name=f"pixels_{scaling}")
