"""Grad-CAM: which places of an image a convolutional network based its output on.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", 2017.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from sweep.records.array_types import IntArray, UInt8Array

_COARSER = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D, keras.layers.Dropout)
"""Layers that `feature_map` skips: they only reduce the last convolution's output, and the map before them is finer."""


def heat_maps(model: keras.Model, images: UInt8Array, classes: IntArray) -> npt.NDArray[np.float32] | None:
    """Return how much each place of the last feature map contributes to the score of a class.

    The class's score before softmax is differentiated with respect to the feature map. Each channel is weighted by the
    mean of its gradient, and the positive part of the weighted sum is the map.

    Args:
        model: a model from raw pixels to classes.
        images: (n, h, w, c), as the model takes them.
        classes: int64 (n,), the class of each image's map.

    Returns:
        float32 (n, h', w') of the feature map's size, each scaled to 0..1. None if the model's output does not
        follow from one feature map: the model has none, or other paths bypass its last one.
    """
    inner = model.layers[-1]
    if isinstance(inner, keras.Model):
        # The inner model is either a user's whole network, which contains the feature map, or only a network's head.
        # A subclass of keras.Model has no graph in which to find a feature map.
        if len(getattr(inner, "inputs", None) or ()) != 1:
            return None
        before = keras.Model(model.inputs, model.layers[-2].output)(images, training=False)
        inside = heat_maps(inner, before, classes)
        if inside is not None:
            return inside
    features = feature_map(model)
    if features is None:
        return None
    try:
        head = keras.Model(features, _last_input(model))
    except ValueError:  # from Keras, if the output depends on other tensors too
        return None
    maps = keras.Model(model.inputs, features)(images, training=False)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        scores = _scores(model, head(maps, training=False))
        chosen = tf.gather(tf.cast(scores, tf.float32), classes, batch_dims=1)
    gradients = tape.gradient(chosen, maps)
    if gradients is None:  # after an operation without a gradient, such as rounding
        return None
    weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(tf.cast(weights * maps, tf.float32), axis=-1)).numpy()
    highest = heat.max(axis=(1, 2), keepdims=True)
    return np.asarray(heat / np.maximum(highest, np.finfo(np.float32).tiny), dtype=np.float32)


def feature_map(model: keras.Model) -> Any | None:
    """Return the last tensor (batch, height, width, channels) before pooling; None if the model has none.

    If an inner model (a backbone) computes this tensor, return it as a tensor of the outer model.
    """
    layers = model.layers
    for index in range(len(layers) - 1, 0, -1):
        layer = layers[index]
        if isinstance(layer, _COARSER) or len(_shape(layer)) != 4:
            continue
        return layers[index + 1].input if isinstance(layer, keras.Model) else layer.output
    return None


def _shape(layer: keras.Layer) -> tuple[int | None, ...]:
    output = layer.output
    return tuple(output.shape) if hasattr(output, "shape") else ()


def _last_input(model: keras.Model) -> Any:
    """Return the input of the last layer if this layer may end with softmax, otherwise the model's output."""
    last = model.layers[-1]
    ends = isinstance(last, keras.layers.Softmax | keras.layers.Activation)
    return last.input if ends or isinstance(last, keras.layers.Dense) else model.outputs[0]


def _scores(model: keras.Model, before: Any) -> Any:
    """Return the classes' scores before softmax."""
    last = model.layers[-1]
    if not isinstance(last, keras.layers.Dense):
        return before
    scores = keras.ops.matmul(before, last.kernel)
    return scores if last.bias is None else keras.ops.add(scores, last.bias)
