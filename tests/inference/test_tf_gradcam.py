from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from sweep.errors import ModelFileError
from sweep.inference.load_model import gives_logits, load_model
from sweep.inference.probabilities import probabilities
from sweep.inference.tf_gradcam import feature_map, heat_maps
from sweep.training.tf_threads import use_threads
from tests.inference.files import write_model

use_threads(1)  # before anything runs: TensorFlow takes the count only once per process


def bright_corner_model(*, output: str = "softmax", nested: bool = False) -> keras.Model:
    """Says class 1 as the upper half of the image is brighter than the lower, by hand-made weights.

    Nested, all but the pixel scaling is a model of its own, as with a user's network.
    """
    inputs = keras.Input((8, 8, 1), dtype="uint8", name="pixels")
    scaled = keras.layers.Rescaling(1 / 255, name="pixels_to_unit")(inputs)
    start = keras.Input((8, 8, 1), name="scaled") if nested else scaled
    hidden = keras.layers.Conv2D(1, 1, use_bias=False, name="conv")(start)
    hidden = keras.layers.MaxPooling2D(2, name="pool")(hidden)
    hidden = keras.layers.Flatten(name="flatten")(hidden)
    outputs = keras.layers.Dense(2, activation=output if output == "softmax" else None, name="output")(hidden)
    model = keras.Model(start if nested else inputs, outputs)
    model.get_layer("conv").set_weights([np.ones((1, 1, 1, 1))])
    upper = np.repeat([1.0, 0.0], 8)  # of the 4 x 4 places, row by row
    model.get_layer("output").set_weights([np.stack([-upper, upper], axis=1), np.zeros(2)])
    return keras.Model(inputs, model(scaled)) if nested else model


def image_with_light(row: int, column: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    image = np.zeros((1, 8, 8, 1), dtype=np.uint8)
    image[0, row, column] = 255
    return image


@pytest.mark.slow
def test_the_map_is_warm_where_the_class_was_seen_and_is_that_of_the_convolution() -> None:
    model = bright_corner_model()
    heat = heat_maps(model, image_with_light(1, 6), np.array([1]))

    assert heat is not None
    assert heat.shape == (1, 8, 8)  # before pooling
    assert np.argwhere(heat[0] == 1).tolist() == [[1, 6]]
    assert heat.sum() == pytest.approx(1.0)


@pytest.mark.slow
def test_what_speaks_against_a_class_is_not_shown_for_it() -> None:
    heat = heat_maps(bright_corner_model(), image_with_light(1, 6), np.array([0]))

    assert heat is not None
    assert heat.max() == 0


@pytest.mark.slow
def test_a_sure_answer_has_a_map_too_because_scores_before_softmax_count() -> None:
    model = bright_corner_model()
    kernel, bias = model.get_layer("output").get_weights()
    model.get_layer("output").set_weights([1000 * kernel, bias])  # softmax is flat there
    heat = heat_maps(model, image_with_light(1, 6), np.array([1]))

    assert heat is not None
    assert heat.max() == 1.0


@pytest.mark.slow
def test_of_a_backbone_the_output_is_the_map_and_without_convolutions_there_is_none() -> None:
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


@pytest.mark.slow
def test_of_a_network_behind_pixel_scaling_the_maps_inside_count() -> None:
    heat = heat_maps(bright_corner_model(nested=True), image_with_light(1, 6), np.array([1]))
    assert heat is not None
    assert np.argwhere(heat[0] == 1).tolist() == [[1, 6]]
    assert heat.sum() == pytest.approx(1.0)


@pytest.mark.slow
def test_of_a_head_that_is_a_model_of_its_own_the_map_before_it_counts() -> None:
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
    """Two convolutions, each with a pooling of its own: neither decides alone."""
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    scaled = keras.layers.Rescaling(1 / 255)(inputs)
    ways = [keras.layers.GlobalMaxPooling2D()(keras.layers.Conv2D(2, size)(scaled)) for size in (1, 3)]
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Concatenate()(ways)))


def without_a_graph() -> Any:
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    return keras.Model(inputs, Flattening()(keras.layers.Rescaling(1 / 255)(inputs)))


def stepped() -> Any:
    """The answers have no slope."""
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    hidden = keras.layers.Conv2D(2, 3)(keras.layers.Rescaling(1 / 255)(inputs))
    bright = keras.ops.greater(keras.layers.GlobalAveragePooling2D()(hidden), 0)
    return keras.Model(inputs, keras.ops.cast(bright, "float32"))


@pytest.mark.slow
@pytest.mark.parametrize("make", [two_ways, without_a_graph, stepped])
def test_where_no_map_decides_alone_there_is_none(make: Callable[[], Any]) -> None:
    assert heat_maps(make(), image_with_light(1, 6), np.array([1])) is None


@pytest.mark.slow
def test_a_network_inside_is_asked_for_its_last_layer_and_a_known_output_counts_more() -> None:
    for output in ("softmax", "logits"):
        model = bright_corner_model(output=output, nested=True)
        assert gives_logits(model) is (output == "logits")
        assert gives_logits(model, "logits") is True
        assert gives_logits(model, "softmax") is False


@pytest.mark.slow
def test_logits_are_told_from_probabilities_and_both_answer_in_probabilities(tmp_path: Path) -> None:
    for output in ("softmax", "logits"):
        path = tmp_path / f"{output}.keras"
        bright_corner_model(output=output).save(path)
        assert gives_logits(load_model(path)) is (output == "logits")
        (shares,) = probabilities(path, image_with_light(1, 6))
        assert shares.tolist() == pytest.approx([1 / (1 + np.e**2), np.e**2 / (1 + np.e**2)], abs=1e-6)


@pytest.mark.slow
def test_a_real_model_with_a_lambda_layer_is_refused_and_its_code_does_not_run(tmp_path: Path) -> None:
    mark, path = tmp_path / "ran", tmp_path / "model.keras"
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    code = keras.layers.Lambda(lambda images, place=str(mark): (Path(place).write_text("ran"), images)[1])
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(code(inputs))))
    model.save(path)
    mark.unlink()  # building the model ran it

    with pytest.raises(ModelFileError, match="it holds a Lambda layer, which runs code of the file"):
        load_model(path)
    assert not mark.exists()


@pytest.mark.slow
def test_a_file_that_keras_cannot_open_is_an_error_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"Keras cannot open the model: "):
        load_model(write_model(tmp_path / "model.keras"))
