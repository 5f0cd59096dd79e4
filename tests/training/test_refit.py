from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from sweep.data.cache import Prepared
from sweep.data.preparation import prepare
from sweep.errors import StudyError
from sweep.records.trial_result import RefitResult
from sweep.space.config import AugmentationConfig, DataConfig, TrainingConfig, TrialConfig, config_from_mapping
from sweep.space.model_sections import VggConfig
from sweep.training.refit import ReplayRates, refit
from tests.fakes import lock_file

pytestmark = pytest.mark.slow
DIGITS = DataConfig(name="digits", limit=300, validation=0.2)
RATES = (0.01, 0.005)
PLAIN = TrialConfig(
    data=DIGITS,
    model=VggConfig(blocks=1, filters=(8,), dense_units=16, convolutions_per_block=1),
    training=TrainingConfig(epochs=2, batch_size=32),
    augmentation=AugmentationConfig(),
    objective="val_accuracy",
    seed=3,
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(DIGITS, tmp_path_factory.mktemp("cache"))


def fitted(prepared: Prepared, folder: Path, **training: Any) -> RefitResult:
    config = replace(PLAIN, training=replace(PLAIN.training, **training))
    return refit(prepared, config, RATES, folder / "model.keras", lock_file(folder))


def test_the_same_training_gives_the_same_bits_on_all_images_of_the_search(prepared: Prepared, tmp_path: Path) -> None:
    once, again = fitted(prepared, tmp_path), fitted(prepared, tmp_path)

    assert (once.data.train, once.data.validation, len(once.losses)) == (300, 0, 2)
    assert once.weights_digest == again.weights_digest
    outputs = keras.models.load_model(tmp_path / "model.keras").predict(np.zeros((2, 8, 8, 1), np.uint8), verbose=0)
    assert outputs.shape == (2, 10)


def test_a_builders_model_is_not_validated_because_no_images_are_left(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bits = fitted(prepared, tmp_path).weights_digest
    monkeypatch.delattr("keras.src.backend.tensorflow.trainer.TensorFlowTrainer.evaluate")

    assert fitted(prepared, tmp_path).weights_digest == bits


def test_class_weights_apply_to_the_final_training(prepared: Prepared, tmp_path: Path) -> None:
    plain, weighted = fitted(prepared, tmp_path), fitted(prepared, tmp_path, class_weights="balanced")

    assert plain.losses[0] != weighted.losses[0]


@pytest.mark.parametrize(
    "training",
    [
        {"schedule": "cosine", "warmup_epochs": 1},
        {"schedule": "cyclic", "cycle_epochs": 2},
        {"restart_every": 1},
        {"precision": "mixed_float16"},
    ],
    ids=["cosine", "cyclic", "restarts", "mixed_float16"],
)
def test_what_changes_rates_and_precision_in_a_search_is_replayed_by_epoch(
    prepared: Prepared, tmp_path: Path, training: dict[str, Any]
) -> None:
    assert len(fitted(prepared, tmp_path, **training).losses) == 2


def test_a_hypermodel_is_trained_one_epoch_per_rate(prepared: Prepared, tmp_path: Path) -> None:
    folder = str(Path(__file__).parents[1] / "models" / "hypermodels")
    values = {"model_type": "mlp", "mlp/units": 16, "rate": 0.2}
    config = config_from_mapping(
        {
            "data": {"name": "digits", "limit": 300, "validation": 0.2},
            "model": {"hypermodel": "guides:Conditional", "folder": folder, "hyperparameters": values},
            "training": {"epochs": 4},
            "augmentation": {},
            "objective": "val_accuracy",
            "seed": 7,
        }
    )
    once, again = (
        refit(prepared, config, RATES, tmp_path / name, lock_file(tmp_path)) for name in ("a.keras", "b.keras")
    )

    assert (once.data.train, len(once.losses)) == (300, 2)
    assert once.weights_digest == again.weights_digest
    assert (tmp_path / "a.keras").is_file()


def test_no_model_is_written_to_another_study_at_the_same_path(prepared: Prepared, tmp_path: Path) -> None:
    study = tmp_path / "demo"
    lock = lock_file(study)
    study.rename(tmp_path / "moved")
    study.mkdir()
    with pytest.raises(StudyError, match=r"was moved, removed or replaced while this process held it"):
        refit(prepared, PLAIN, RATES, study / "model.keras", lock)
    assert list(study.iterdir()) == []


def test_a_users_own_schedule_is_left_unchanged() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.1)), "mse")
    replay = ReplayRates((0.25,))
    replay.set_model(model)
    replay.on_epoch_begin(0)
    assert float(model.optimizer.learning_rate) == 0.5

    model.compile(keras.optimizers.SGD(0.5), "mse")
    replay.on_epoch_begin(0)
    assert float(model.optimizer.learning_rate) == 0.25
