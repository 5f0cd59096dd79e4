"""Model files opened, and their predictions."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from sweep.errors import ModelFileError
from sweep.inference.prediction import gives_logits, load_model, probabilities
from tests.inference.files import write_model
from tests.inference.models import bright_corner_model, image_with_light

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("output", ["softmax", "logits"])
def test_the_last_layer_of_an_inner_network_decides_unless_the_output_is_known(output: str) -> None:
    model = bright_corner_model(output=output, nested=True)
    assert gives_logits(model) is (output == "logits")
    assert gives_logits(model, "logits") is True
    assert gives_logits(model, "softmax") is False


def test_a_softmax_layer_at_the_end_makes_probabilities() -> None:
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    logits = keras.layers.Dense(2)(keras.layers.Flatten()(inputs))
    assert gives_logits(keras.Model(inputs, logits)) is True
    assert gives_logits(keras.Model(inputs, keras.layers.Softmax()(logits))) is False


@pytest.mark.parametrize("output", ["softmax", "logits"])
def test_logits_and_probabilities_both_become_probabilities(tmp_path: Path, output: str) -> None:
    path = tmp_path / "model.keras"
    bright_corner_model(output=output).save(path)
    (row,) = probabilities(path, image_with_light(1, 6))
    assert row.tolist() == pytest.approx([1 / (1 + np.e**2), np.e**2 / (1 + np.e**2)], abs=1e-6)
    assert row.dtype == np.float32


def test_a_known_output_overrules_the_last_layer(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    bright_corner_model(output="logits").save(path)
    (row,) = probabilities(path, image_with_light(1, 6), "softmax")
    assert row.tolist() == pytest.approx([-1, 1])


def test_a_loaded_model_is_not_compiled(tmp_path: Path) -> None:
    model = bright_corner_model()
    model.compile("sgd", "categorical_crossentropy")
    model.save(tmp_path / "model.keras")
    assert load_model(tmp_path / "model.keras").compiled is False


def test_a_model_with_a_lambda_layer_is_refused_and_its_code_does_not_run(tmp_path: Path) -> None:
    mark, path = tmp_path / "ran", tmp_path / "model.keras"
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    code = keras.layers.Lambda(lambda images, place=str(mark): (Path(place).write_text("ran"), images)[1])
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(code(inputs))))
    model.save(path)
    mark.unlink()  # building the model ran it

    with pytest.raises(ModelFileError, match="it holds a Lambda layer, which runs code of the file"):
        load_model(path)
    assert not mark.exists()


def test_a_file_that_keras_cannot_open_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"Keras cannot open the model: "):
        load_model(write_model(tmp_path / "model.keras"))


@pytest.mark.parametrize(
    ("shape", "layers"),
    [
        ((8,), []),
        ((8, 8, 2), [keras.layers.Flatten]),
        ((8, 8, 1), []),
    ],
    ids=["no images", "two channels", "an output per pixel"],
)
def test_a_model_that_is_not_an_image_classifier_is_refused(
    tmp_path: Path, shape: tuple[int, ...], layers: list[type[keras.Layer]]
) -> None:
    path = tmp_path / "model.keras"
    keras.Sequential([keras.Input(shape), *(layer() for layer in layers), keras.layers.Dense(2)]).save(path)
    with pytest.raises(ModelFileError, match=r"expected a model from images \(batch, height, width, 1 or 3\)"):
        load_model(path)
