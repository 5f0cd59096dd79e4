from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from sweep.inference.tf_gradcam import feature_map, heat_maps
from tests.inference.models import bright_corner_model, image_with_light

pytestmark = pytest.mark.slow


def test_the_map_shows_what_made_the_class_at_the_resolution_of_the_convolution() -> None:
    model = bright_corner_model()
    heat = heat_maps(model, image_with_light(1, 6), np.array([1]))

    assert heat is not None
    assert heat.shape == (1, 8, 8)  # before pooling
    assert np.argwhere(heat[0] == 1).tolist() == [[1, 6]]
    assert heat.sum() == pytest.approx(1.0)


def test_evidence_against_a_class_is_not_shown_for_it() -> None:
    heat = heat_maps(bright_corner_model(), image_with_light(1, 6), np.array([0]))

    assert heat is not None
    assert not heat.any()


def test_a_confident_prediction_has_a_map_because_scores_before_softmax_are_used() -> None:
    model = bright_corner_model()
    kernel, bias = model.get_layer("output").get_weights()
    model.get_layer("output").set_weights([1000 * kernel, bias])  # softmax is flat there
    heat = heat_maps(model, image_with_light(1, 6), np.array([1]))

    assert heat is not None
    assert heat.max() == 1.0


def test_the_map_of_a_backbone_is_its_output_and_a_model_without_convolutions_has_none() -> None:
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    inner = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3), keras.layers.ReLU()], name="backbone")
    hidden = inner(keras.layers.Rescaling(1 / 255)(inputs))
    nested = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(hidden)))
    flat = keras.Sequential([keras.Input((8, 8, 1), dtype="uint8"), keras.layers.Flatten(), keras.layers.Dense(2)])

    heat = heat_maps(nested, image_with_light(4, 4), np.array([0]))
    assert heat is not None
    assert heat.shape == (1, 6, 6)
    assert feature_map(flat) is None
    assert heat_maps(flat, image_with_light(4, 4), np.array([0])) is None


def test_the_map_of_a_network_behind_pixel_scaling_is_inside_it() -> None:
    heat = heat_maps(bright_corner_model(nested=True), image_with_light(1, 6), np.array([1]))
    assert heat is not None
    assert np.argwhere(heat[0] == 1).tolist() == [[1, 6]]
    assert heat.sum() == pytest.approx(1.0)


def test_the_map_of_a_model_with_an_inner_head_is_before_the_head() -> None:
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    hidden = keras.layers.Conv2D(2, 3)(keras.layers.Rescaling(1 / 255)(inputs))
    head = keras.Sequential([keras.Input((6, 6, 2)), keras.layers.GlobalMaxPooling2D(), keras.layers.Dense(2)])

    heat = heat_maps(keras.Model(inputs, head(hidden)), image_with_light(1, 6), np.array([1]))
    assert heat is not None
    assert heat.shape == (1, 6, 6)


class Flattening(keras.Model):  # type: ignore[misc]  # Keras has no types
    """A network without a graph."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(2)

    def call(self, images: Any) -> Any:
        return self.dense(keras.ops.reshape(images, (-1, 64)))


def two_ways() -> Any:
    """Two convolutions, each with its own pooling: the output depends on both."""
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    scaled = keras.layers.Rescaling(1 / 255)(inputs)
    ways = [keras.layers.GlobalMaxPooling2D()(keras.layers.Conv2D(2, size)(scaled)) for size in (1, 3)]
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Concatenate()(ways)))


def without_a_graph() -> Any:
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    return keras.Model(inputs, Flattening()(keras.layers.Rescaling(1 / 255)(inputs)))


def stepped() -> Any:
    """The outputs have no gradient."""
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    hidden = keras.layers.Conv2D(2, 3)(keras.layers.Rescaling(1 / 255)(inputs))
    bright = keras.ops.greater(keras.layers.GlobalAveragePooling2D()(hidden), 0)
    return keras.Model(inputs, keras.ops.cast(bright, "float32"))


@pytest.mark.parametrize("make", [two_ways, without_a_graph, stepped])
def test_a_model_whose_output_follows_from_no_single_map_has_none(make: Callable[[], Any]) -> None:
    assert heat_maps(make(), image_with_light(1, 6), np.array([1])) is None
