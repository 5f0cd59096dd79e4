"""The size of a model: its parameters, and the multiply-adds of one image."""

from __future__ import annotations

import math

import keras

from sweep.errors import TrialFailure


def multiply_adds(model: keras.Model) -> int:
    """Multiplications with additions for one image, forward, in all convolutions and dense layers.

    Each weight of a kernel is used once per place of the layer's output, which is exact for dense, ordinary, grouped
    and depthwise convolution layers; normalization, activations and pooling are left out, being small beside them.
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
