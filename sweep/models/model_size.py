"""The size of a model: its parameters, and the multiply-adds for one image."""

from __future__ import annotations

import math

import keras

from sweep.errors import TrialFailure


def multiply_adds(model: keras.Model) -> int:
    """Return the number of multiply-adds of the forward pass for one image, in convolution and dense layers.

    Each weight of a kernel counts once per position of the layer's output. This is exact for dense layers and for
    ordinary, grouped and depthwise convolutions. Other layers (normalization, pooling) cost little and do not count.
    """
    return sum(_of_layer(layer) for layer in model.layers)


def _of_layer(layer: keras.Layer) -> int:
    if isinstance(layer, keras.Model):
        return multiply_adds(layer)
    kernels = [weight for weight in layer.weights if "kernel" in str(weight.path).rsplit("/", 1)[-1]]
    if not kernels:
        return 0
    places = math.prod(size or 1 for size in layer.output.shape[1:-1])
    used: int = places * sum(math.prod(kernel.shape) for kernel in kernels)
    return used


def check_parameters(model: keras.Model, most: int | None) -> None:
    """Check the number of parameters against `max_parameters`.

    Raises:
        TrialFailure: too_large.
    """
    count = count_parameters(model)
    if most is not None and count > most:
        raise TrialFailure("too_large", f"the model has {count:,} parameters, more than max_parameters {most:,}")


def count_parameters(model: keras.Model) -> int:
    """Return the number of weights, trainable or not, without random generators and pixel scaling."""
    layers = [layer for layer in model.layers if not str(layer.name).startswith(("random_", "pixels_"))]
    return sum(math.prod(weight.shape) for layer in layers for weight in layer.weights)
