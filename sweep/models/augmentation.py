"""Augmentation: layers that change training images at random."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from sweep.space.config import AugmentationConfig


def augmentation_layers(config: AugmentationConfig, seed: int) -> Iterator[keras.Layer]:
    """Layers that change training images at random, and do nothing at inference; none at strength 0.

    Each maximum is scaled by the strength; of the flip it is the probability, one half at strength 1.

    Args:
        config: maxima and strength.
        seed: of the layers' random generators.
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
        turn = strength * config.rotation / 360  # the layer counts in whole turns
        yield keras.layers.RandomRotation(turn, fill_mode="nearest", seed=seed + 2, name="random_rotation")
    if config.zoom:
        yield keras.layers.RandomZoom(strength * config.zoom, fill_mode="nearest", seed=seed + 3, name="random_zoom")


class RandomMirror(keras.layers.Layer):
    """Mirrors each training image with a probability; keras.layers.RandomFlip knows only one half.

    Args:
        direction: `horizontal`, `vertical`, or `both` (each direction by itself).
        probability: that an image is mirrored in a direction.
        seed: of the choice.
    """

    def __init__(self, direction: str, probability: float, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.probability = probability
        self.axes = {"horizontal": (2,), "vertical": (1,), "both": (1, 2)}[direction]
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images: Any, training: bool = False) -> Any:
        """Images of shape (batch, height, width, channels), changed only while training."""
        if training:
            for axis in self.axes:
                chosen = keras.random.uniform((keras.ops.shape(images)[0], 1, 1, 1), seed=self.generator)
                images = keras.ops.where(chosen < self.probability, keras.ops.flip(images, axis), images)
        return images

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's."""
        return input_shape
