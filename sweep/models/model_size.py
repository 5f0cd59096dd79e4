"""What a model costs to run."""

from __future__ import annotations

import math

import keras


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
