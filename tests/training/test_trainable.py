from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from sweep.data.dataset import Dataset
from sweep.errors import ModelError, TrialFailure
from sweep.records.trial_result import EpochMetrics, TrialResult
from sweep.space.config import TrialConfig, config_from_mapping
from sweep.training.hypermodel_fit import LogCompleter
from sweep.training.train import train

pytestmark = pytest.mark.slow
FOLDER = str(Path(__file__).parents[1] / "models" / "hypermodels")


def config(name: str, values: dict[str, Any], model: dict[str, Any] | None = None, **training: Any) -> TrialConfig:
    return config_from_mapping(
        {
            "data": {"name": "digits"},
            "model": {"hypermodel": f"guides:{name}", "folder": FOLDER, "hyperparameters": values, **(model or {})},
            "training": {"epochs": 2, **training},
            "augmentation": {},
            "objective": "val_accuracy",
            "seed": 7,
        }
    )


def run(trial: TrialConfig, digits: Dataset, folder: Path | None = None) -> TrialResult:
    return train(trial, digits, lambda _: False, folder=folder)


CONDITIONAL = {"model_type": "mlp", "mlp/units": 16, "rate": 0.2}
FIT = {"units": 12, "normalize": True, "batch_size": 32, "shuffle": True}
LOOP = {"flip": True, "units": 16, "batch_size": 32, "learning_rate": 0.01}


@pytest.mark.parametrize(
    ("name", "values"),
    [("Conditional", CONDITIONAL), ("TunesFit", FIT), ("OwnLoop", LOOP)],
    ids=["conditional scopes, integer labels", "a batch size tuned in fit", "its own loop"],
)
def test_the_same_trial_twice_gives_the_same_bits(name: str, values: dict[str, Any], digits: Dataset) -> None:
    once, again = run(config(name, values), digits), run(config(name, values), digits)

    assert len(once.epochs) == 2
    assert once.stop_reason == "epochs"
    assert once.weights_digest == again.weights_digest
    assert [e.val_loss for e in once.epochs] == [e.val_loss for e in again.epochs]
    assert once.model_digest == again.model_digest
    assert once.model_digest is not None


def test_a_users_own_fit_is_stopped_by_pruning_and_reports_each_epoch(digits: Dataset) -> None:
    seen: list[EpochMetrics] = []

    def stop_after_one(metrics: EpochMetrics) -> bool:
        seen.append(metrics)
        return True

    result = train(config("TunesFit", FIT, epochs=5), digits, stop_after_one)

    assert result.stop_reason == "stopped"
    assert [metrics.epoch for metrics in seen] == [1]


def test_a_loop_that_ignores_stop_training_is_ended(digits: Dataset) -> None:
    result = train(config("OwnLoop", LOOP), digits, lambda _: True)

    assert result.stop_reason == "stopped"
    assert len(result.epochs) == 1


def test_what_a_loop_does_not_report_is_measured(digits: Dataset) -> None:
    epoch = run(config("OwnLoop", LOOP), digits).epochs[-1]

    assert 0.1 < epoch.val_accuracy <= 1
    assert 0.1 < epoch.accuracy <= 1
    assert 0 < epoch.loss < 3
    assert epoch.learning_rate == 0.01


@pytest.mark.parametrize(("logits", "outputs"), [(True, [np.log(3), 0.0]), (False, [0.75, 0.25])])
def test_measured_outputs_go_through_softmax_if_they_are_logits(logits: bool, outputs: list[float]) -> None:
    inputs = keras.Input((2,))
    same = keras.Model(inputs, keras.layers.Identity()(inputs))
    part = (np.array([outputs]), np.array([[0.0, 1.0]]))

    found = LogCompleter(same, lambda: part, lambda: part, logits=logits).complete({})
    assert found["val_loss"] == found["loss"] == pytest.approx(np.log(4))


def test_a_plateau_reduces_the_rate_of_a_compiled_hypermodel(digits: Dataset) -> None:
    plateau = {"monitor": "val_loss", "factor": 0.1, "patience": 0, "min_delta": 100.0}

    epochs = run(config("Conditional", CONDITIONAL, epochs=3, reduce_lr_on_plateau=plateau), digits).epochs

    # The first epoch is always better than none; the later ones improve by less than 100.
    assert [round(e.learning_rate, 6) for e in epochs] == [0.01, 0.01, 0.001]


def test_a_value_that_is_not_read_ends_the_trial_before_its_first_epoch(digits: Dataset) -> None:
    reported: list[EpochMetrics] = []

    def keep(metrics: EpochMetrics) -> bool:
        reported.append(metrics)
        return False

    with pytest.raises(TrialFailure) as caught:
        train(config("build_unused", {"depth": 3, "width": 4}), digits, keep)

    assert caught.value.cause == "infeasible"
    assert caught.value.message.startswith("the hypermodel has not read width before the first epoch")
    assert reported == []


def test_a_hyperparameter_outside_the_space_has_its_default_and_is_noted(digits: Dataset) -> None:
    result = run(config("build_unused", {"depth": 2}), digits)

    assert result.notes == ("hyperparameters outside the space had their defaults: width=4",)


def test_a_value_without_effect_leaves_the_digest_unchanged(digits: Dataset) -> None:
    one, two = (run(config("build_nothing", {"idle": idle}, epochs=1), digits) for idle in (1, 2))
    other = run(config("build_nothing", {"idle": 1}, epochs=1, learning_rate=0.1), digits)

    assert one.model_digest == two.model_digest
    assert other.model_digest != one.model_digest


def test_a_saved_hypermodel_takes_raw_pixels(digits: Dataset, tmp_path: Path) -> None:
    result = run(config("build_layers", {"layers": 1, "units_0": 8}, {"pixel_scaling": "unit"}), digits, tmp_path)
    model = keras.saving.load_model(tmp_path / "model.keras")
    images = digits.validation.all_images()

    right = np.asarray(model(images)).argmax(axis=1) == digits.validation.labels
    assert images.dtype == np.uint8
    assert result.model_file == "model.keras"
    assert right.mean() == pytest.approx(max(e.val_accuracy for e in result.epochs))


def test_a_fit_that_ignores_the_callbacks_is_an_error(digits: Dataset) -> None:
    with pytest.raises(ModelError, match=r"reported no epoch: pass its argument `callbacks` on to model\.fit"):
        run(config("Deaf", {}), digits)
