"""What builders share: the input's preprocessing, initializers, penalty, output layer, and the limits of a model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import keras

from sweep.errors import TrialFailure
from sweep.models.facts import ImageFacts
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


def initializer(kind: str, seed: int) -> keras.Initializer:
    """The initializer of a kernel by its name in a configuration."""
    kinds = {
        "he_uniform": keras.initializers.HeUniform,
        "he_normal": keras.initializers.HeNormal,
        "glorot_uniform": keras.initializers.GlorotUniform,
        "glorot_normal": keras.initializers.GlorotNormal,
        "lecun_normal": keras.initializers.LecunNormal,
        "random_normal": keras.initializers.RandomNormal,
    }
    return kinds[kind](seed=seed)


def l2_penalty(weight: float) -> keras.Regularizer | None:
    """The penalty on a kernel; none for 0."""
    return keras.regularizers.L2(weight) if weight > 0 else None


def output_layer(output: str, classes: int, seed: int) -> keras.Layer:
    """The last layer: probabilities, or logits; in full precision whatever the layers before it compute with."""
    return keras.layers.Dense(
        classes,
        activation="softmax" if output == "softmax" else None,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        dtype="float32",
        name="output",
    )


def check_parameters(model: keras.Model, most: int | None) -> None:
    """A model above `max_parameters` is infeasible.

    Raises:
        TrialFailure: too_large.
    """
    count = count_parameters(model)
    if most is not None and count > most:
        raise TrialFailure("too_large", f"the model has {count:,} parameters, more than max_parameters {most:,}")


def count_parameters(model: keras.Model) -> int:
    """Weights of all layers, trainable or not, without the state of random generators and of pixel scaling."""
    return sum(math.prod(weight.shape) for layer in model.layers if not _is_input(layer) for weight in layer.weights)


def _is_input(layer: keras.Layer) -> bool:
    return str(layer.name).startswith(("random_", "pixels_"))
