from __future__ import annotations

import keras

from sweep.models.model_size import multiply_adds


def model(*layers: keras.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((6, 6, 3)), *layers])


def test_a_convolution_uses_each_weight_once_per_place_of_its_output() -> None:
    assert multiply_adds(model(keras.layers.Conv2D(4, 3, padding="valid"))) == 4 * 4 * (3 * 3 * 3 * 4)


def test_a_depthwise_convolution_does_not_mix_channels() -> None:
    assert multiply_adds(model(keras.layers.DepthwiseConv2D(3, padding="same"))) == 6 * 6 * (3 * 3 * 3)


def test_a_dense_layer_uses_each_weight_once() -> None:
    assert multiply_adds(model(keras.layers.Flatten(), keras.layers.Dense(5))) == 6 * 6 * 3 * 5


def test_a_model_inside_a_model_counts() -> None:
    inner = model(keras.layers.Conv2D(2, 1))
    assert multiply_adds(model(inner, keras.layers.BatchNormalization())) == 6 * 6 * 3 * 2
