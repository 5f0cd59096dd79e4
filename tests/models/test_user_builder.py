from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from sweep.errors import ModelError
from sweep.models.build import build, compile_model, deployable
from sweep.models.model_digest import model_digest
from sweep.models.user_model_checks import check_output_values
from sweep.records.image_facts import ImageFacts
from sweep.space.config import TrialConfig, config_from_mapping
from sweep.space.hypermodel_space import Discovery
from sweep.training.model_probe import inspect_model

FOLDER = Path(__file__).parent / "builders"
FACTS = ImageFacts((8, 8, 1), 10, (0.5,), (0.25,))
PIXELS = np.arange(2 * 64, dtype=np.uint8).reshape(2, 8, 8, 1)


def config(builder: str, augmentation: dict[str, Any] | None = None, **model: Any) -> TrialConfig:
    return config_from_mapping(
        {
            "data": {},
            "model": {"builder": builder, "folder": str(FOLDER), **model},
            "training": {},
            "augmentation": augmentation or {},
            "objective": "val_accuracy",
        }
    )


def made(trial: TrialConfig) -> keras.Model:
    keras.utils.set_random_seed(1)
    model = build(trial, FACTS, seed=1)
    compile_model(model, trial)
    return model


def test_a_builder_gets_its_arguments_and_the_facts_it_asks_for() -> None:
    model = made(config("mine:build", width=6))

    assert model.input.dtype == "uint8"
    assert model.output.shape == (None, 10)
    network = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    assert network.layers[1].filters == 6
    assert isinstance(model.optimizer, keras.optimizers.Adam)


def test_a_model_is_fed_with_raw_pixels_unless_the_file_says_otherwise() -> None:
    trial = config("mine:build", width=4)
    model = made(trial)
    network = next(layer for layer in model.layers if isinstance(layer, keras.Model))

    np.testing.assert_array_equal(model(PIXELS), network(PIXELS.astype(np.float32)))


def test_a_compiled_model_keeps_its_optimizer_and_loss() -> None:
    model = made(config("mine:compiled", rate=0.25))

    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert float(np.asarray(model.optimizer.learning_rate)) == 0.25
    assert model.loss.get_config()["label_smoothing"] == 0.1


def test_a_builder_of_layers_stands_behind_scaling_and_augmentation() -> None:
    trial = config("mine:layers", {"strength": 1.0, "shift": 0.2}, pixel_scaling="unit")
    model = made(trial)
    plain = deployable(model, trial, FACTS)

    assert [layer.name for layer in model.layers][:3] == ["pixels", "pixels_to_unit", "random_shift"]
    assert "random_shift" not in [layer.name for layer in plain.layers]
    np.testing.assert_array_equal(plain(PIXELS, training=False), model(PIXELS, training=False))


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        ("mine:nothing", "mine:nothing must return a keras.Model, not None"),
        ("mine:broken", "mine:broken failed:\nTraceback"),
        ("mine:wide", "mine:wide has outputs of shape (None, 11); expected (batch, 10), a number per class"),
        ("mine:sparse", "mine:sparse is compiled with a loss on class numbers, but it is trained with one-hot rows"),
        ("failing:build", "failing:build cannot be imported:\nTraceback"),
    ],
)
def test_what_a_builder_must_not_do_is_said(builder: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        build(config(builder), FACTS, seed=0)

    assert str(caught.value).startswith(message)


def test_an_import_error_shows_the_users_own_line() -> None:
    with pytest.raises(ModelError) as caught:
        build(config("failing:build"), FACTS, seed=0)

    message = str(caught.value)
    assert "builders/failing.py" in message
    assert "import no_such_package_anywhere" in message
    assert "ModuleNotFoundError: No module named 'no_such_package_anywhere'" in message
    assert "user_code.py" not in message
    assert "importlib" not in message


def test_a_source_that_has_changed_since_is_not_run() -> None:
    with pytest.raises(ModelError, match=r"mine.py has changed: 000000000000 -> [0-9a-f]{12}; restore the file"):
        build(config("mine:build", width=4, source_digest="0" * 64), FACTS, seed=0)


def test_looking_at_a_builder_tells_what_it_does_not_read() -> None:
    looked = inspect_model(config("mine:compiled"), FACTS, {})
    plain = inspect_model(config("mine:build", width=4), FACTS, {})

    assert isinstance(looked, Discovery)
    assert looked.unused["learning_rate"] == "mine:compiled compiles its model itself"
    assert "reduce_lr_on_plateau" not in looked.unused
    assert plain == Discovery()
    scheduled = inspect_model(config("mine:scheduled"), FACTS, {})
    assert isinstance(scheduled, Discovery)
    assert scheduled.unused["reduce_lr_on_plateau"] == "the optimizer of mine:scheduled has its own schedule"
    assert str(inspect_model(config("mine:nothing"), FACTS, {})).startswith("mine:nothing must return")


def digest(trial: TrialConfig) -> str | None:
    return model_digest(made(trial), trial)


def test_equal_models_have_equal_digests_whatever_was_built_before() -> None:
    first = digest(config("mine:layers"))

    assert first is not None
    assert digest(config("mine:layers")) == first
    assert digest(config("mine:layers", units=9)) != first
    assert digest(config("mine:layers", {"strength": 1.0, "shift": 0.2})) != first
    assert digest(config("mine:compiled", rate=0.1)) != digest(config("mine:compiled", rate=0.2))


@pytest.mark.parametrize(
    ("outputs", "output", "message"),
    [
        ([[0.3, 0.7], [0.5, 0.5]], "softmax", ""),
        ([[3.0, -2.0], [0.5, 0.5]], "logits", ""),
        ([[0.3, 0.9], [0.5, 0.5]], "softmax", ""),  # sigmoids: the loss divides them by their sum
        ([[0.3, -2.0], [0.5, 0.5]], "softmax", r"the outputs of f are not probabilities \(from -2 to 0.5\)"),
        ([[3.0, 0.0], [0.5, 0.5]], "softmax", r"\(from 0 to 3\), .* or write `output: logits`"),
        ([[0.3, float("nan")], [0.5, 0.5]], "softmax", "some outputs of f are not finite numbers"),
        ([[0.3, 0.7], [0.5, 0.5]], "logits", "the outputs of f are probabilities, but .* write `output: softmax`"),
    ],
)
def test_outputs_must_be_what_the_file_says(outputs: list[list[float]], output: str, message: str) -> None:
    values = np.array(outputs)
    if not message:
        check_output_values(values, output, "f")
        return
    with pytest.raises(ModelError, match=message):
        check_output_values(values, output, "f")


def test_a_deployable_model_has_no_optimizer() -> None:
    trial = config("mine:compiled")
    model = made(trial)

    assert model.compiled
    assert deployable(model, trial, FACTS).compiled is False
