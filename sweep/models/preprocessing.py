"""The layers before the network: pixel scaling, and augmentation of the training images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
from typing_extensions import override

from sweep.records.image_facts import ImageFacts
from sweep.space.config import AugmentationConfig


def pixel_scaling_layers(scaling: str, facts: ImageFacts) -> Iterator[keras.Layer]:
    """Yield the layers from raw pixels 0..255 to what the network receives.

    `unit`: x / 255. `centered`: x / 255 - mean. `standardized`: (x / 255 - mean) / std, with the mean and standard
    deviation of the training images per channel. `raw`: x as floating point, for a network that scales itself.
    """
    if scaling == "raw":
        yield keras.layers.Rescaling(1.0, name="pixels_to_float")
        return
    yield keras.layers.Rescaling(1 / 255, name="pixels_to_unit")
    if scaling == "unit":
        return
    # The deviation of a constant channel is 0: 1e-6 keeps the division defined, with the result 0.
    spread = facts.channel_std if scaling == "standardized" else (1.0,) * len(facts.channel_std)
    variance = [max(std, 1e-6) ** 2 for std in spread]
    yield keras.layers.Normalization(mean=list(facts.channel_mean), variance=variance, name=f"pixels_{scaling}")


def augmentation_layers(config: AugmentationConfig, seed: int) -> Iterator[keras.Layer]:
    """Yield layers that change training images at random and do nothing at inference; none at strength 0.

    Args:
        config: maxima, which the strength scales; the probability of a flip is half the strength.
        seed: for the layers' random generators.
    """
    strength = config.strength
    if strength == 0:
        return
    if config.flip != "none":
        yield RandomMirror(config.flip, strength / 2, seed, name="random_flip")
    if config.shift:
        shift = strength * config.shift
        yield keras.layers.RandomTranslation(shift, shift, fill_mode="nearest", seed=seed + 1, name="random_shift")
    if config.rotation:
        turn = strength * config.rotation / 360  # the layer's unit is a full turn
        yield keras.layers.RandomRotation(turn, fill_mode="nearest", seed=seed + 2, name="random_rotation")
    if config.zoom:
        yield keras.layers.RandomZoom(strength * config.zoom, fill_mode="nearest", seed=seed + 3, name="random_zoom")


class RandomMirror(keras.layers.Layer):
    """Mirrors each training image with a given probability; in keras.layers.RandomFlip it is always one half.

    Args:
        direction: `horizontal`, `vertical`, or `both` (each direction separately).
        probability: probability of mirroring an image, for each direction.
        seed: for the random choice.
    """

    def __init__(self, direction: str, probability: float, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.probability = probability
        self.axes = {"horizontal": (2,), "vertical": (1,), "both": (1, 2)}[direction]
        self.generator = keras.random.SeedGenerator(seed)

    @override
    def call(self, images: Any, training: bool = False) -> Any:
        if training:
            for axis in self.axes:
                chosen = keras.random.uniform((keras.ops.shape(images)[0], 1, 1, 1), seed=self.generator)
                images = keras.ops.where(chosen < self.probability, keras.ops.flip(images, axis), images)
        return images

    @override
    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape
