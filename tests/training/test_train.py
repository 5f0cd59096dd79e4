from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from sweep.analysis.calibration import probabilities_of
from sweep.data.dataset import Dataset
from sweep.data.preparation import prepare
from sweep.errors import TrialFailure
from sweep.execution import child
from sweep.execution.executor import Task
from sweep.records.trial_result import EpochMetrics
from sweep.space.config import (
    AugmentationConfig,
    DataConfig,
    EarlyStoppingConfig,
    PlateauConfig,
    TrainingConfig,
    TrialConfig,
)
from sweep.space.model_sections import DropoutConfig, Output, VggConfig
from sweep.training.train import train

pytestmark = pytest.mark.slow

EVERYTHING_RANDOM = TrialConfig(
    data=DataConfig(name="digits", limit=300, validation=0.2),
    model=VggConfig(
        blocks=1,
        filters=(8,),
        dense_units=16,
        convolutions_per_block=1,
        batch_norm=True,
        dropout=DropoutConfig(schedule="constant", start=0.2),
    ),
    training=TrainingConfig(epochs=3, learning_rate=0.01, batch_size=32),
    augmentation=AugmentationConfig(strength=0.5, flip="horizontal", shift=0.1, rotation=15.0, zoom=0.1),
    objective="val_accuracy",
    seed=7,
)


def go_on(metrics: EpochMetrics) -> bool:
    return metrics.epoch < 0


def without_time(epochs: tuple[EpochMetrics, ...]) -> list[EpochMetrics]:
    return [replace(metrics, seconds=0.0) for metrics in epochs]


def test_the_same_configuration_gives_the_same_bits(digits: Dataset) -> None:
    first = train(EVERYTHING_RANDOM, digits, go_on)
    again = train(EVERYTHING_RANDOM, digits, go_on)

    assert without_time(first.epochs) == without_time(again.epochs)
    assert first.weights_digest == again.weights_digest


def test_a_trial_without_faults_prints_no_warning(digits: Dataset, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        train(EVERYTHING_RANDOM, digits, go_on, folder=tmp_path)


def test_another_seed_gives_other_weights(digits: Dataset) -> None:
    short = replace(EVERYTHING_RANDOM, training=replace(EVERYTHING_RANDOM.training, epochs=1))

    assert train(short, digits, go_on).weights_digest != train(replace(short, seed=8), digits, go_on).weights_digest


def test_every_epoch_is_reported_in_order_and_training_ends_on_request(digits: Dataset) -> None:
    reported: list[EpochMetrics] = []

    def stop_after_two(metrics: EpochMetrics) -> bool:
        reported.append(metrics)
        return metrics.epoch == 2

    result = train(EVERYTHING_RANDOM, digits, stop_after_two)

    assert [metrics.epoch for metrics in reported] == [1, 2]
    assert result.epochs == tuple(reported)
    assert result.stop_reason == "stopped"


def test_a_stopped_trial_has_the_bits_of_the_longer_one_up_to_there(digits: Dataset) -> None:
    whole = train(EVERYTHING_RANDOM, digits, go_on)
    stopped = train(EVERYTHING_RANDOM, digits, lambda metrics: metrics.epoch == 2)

    assert without_time(stopped.epochs) == without_time(whole.epochs)[:2]


def test_a_diverging_trial_fails_with_the_cause_nan(digits: Dataset) -> None:
    wild = replace(EVERYTHING_RANDOM.training, optimizer="sgd", learning_rate=1e30)

    with pytest.raises(TrialFailure) as failure:
        train(replace(EVERYTHING_RANDOM, training=wild), digits, go_on)

    assert str(failure.value) == "nan: the loss was not a finite number in epoch 1"


def test_the_learning_rate_drops_on_a_plateau_and_each_epoch_reports_its_own(digits: Dataset) -> None:
    # No epoch can improve by 1000, so every epoch after the first is a plateau.
    plateau = PlateauConfig(factor=0.5, patience=1, min_delta=1000.0, min_lr=0.003)
    training = replace(EVERYTHING_RANDOM.training, epochs=4, reduce_lr_on_plateau=plateau)

    result = train(replace(EVERYTHING_RANDOM, training=training), digits, go_on)

    rates = [metrics.learning_rate for metrics in result.epochs]
    assert rates == pytest.approx([0.01, 0.01, 0.005, 0.003])


def test_early_stopping_ends_training_and_says_so(digits: Dataset) -> None:
    stopping = EarlyStoppingConfig(patience=1, min_delta=1000.0)
    training = replace(EVERYTHING_RANDOM.training, epochs=9, early_stopping=stopping)

    result = train(replace(EVERYTHING_RANDOM, training=training), digits, go_on)

    assert result.stop_reason == "early_stopping"
    assert len(result.epochs) == 2


def test_the_saved_model_is_the_best_epochs_and_takes_raw_pixels(digits: Dataset, tmp_path: Path) -> None:
    result = train(EVERYTHING_RANDOM, digits, go_on, folder=tmp_path)

    model = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    predicted = model.predict(digits.validation.all_images(), verbose=0).argmax(axis=1)
    accuracy = float(np.mean(predicted == digits.validation.labels))
    assert result.model_file == "model.keras"
    assert accuracy == pytest.approx(max(metrics.val_accuracy for metrics in result.epochs))
    assert not [path.name for path in tmp_path.iterdir() if ".part" in path.name]


def test_nothing_is_written_before_the_folder_is_checked(digits: Dataset, tmp_path: Path) -> None:
    found: list[list[str]] = []

    def before_write() -> None:
        found.append(sorted(path.name for path in tmp_path.iterdir()))

    train(EVERYTHING_RANDOM, digits, go_on, folder=tmp_path, before_write=before_write)

    first, second, third = (f"checkpoint-000{epoch}.npz" for epoch in (1, 2, 3))
    assert found == [
        [],
        [first],
        [first, second],
        [second, third],
        [second, third, "summary.txt"],
        [second, third, "model.keras", "summary.txt"],
    ]
    assert (tmp_path / "validation.npz").is_file()


def test_a_child_checks_its_folder_before_each_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[int] = []
    monkeypatch.setattr(child, "end_if_lost", lambda task: checked.append(task.number))
    config = replace(EVERYTHING_RANDOM, training=replace(EVERYTHING_RANDOM.training, epochs=1))
    task = Task(4, config, prepare(config.data, tmp_path / "cache"), tmp_path)

    child.train_task(task, go_on)

    assert checked == [4, 4, 4, 4]  # checkpoint, summary, model, predictions


def test_a_folder_that_is_missing_is_not_made(digits: Dataset, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        train(EVERYTHING_RANDOM, digits, go_on, folder=tmp_path / "0000")
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_trial_saves_its_summary_and_no_model(digits: Dataset, tmp_path: Path) -> None:
    result = train(EVERYTHING_RANDOM, digits, lambda metrics: metrics.epoch == 1, folder=tmp_path)

    assert result.model_file is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-0001.npz", "summary.txt"]
    assert "Total params" in (tmp_path / "summary.txt").read_text(encoding="utf-8")


def test_label_smoothing_raises_the_loss_of_a_sure_model(digits: Dataset) -> None:
    smooth = replace(EVERYTHING_RANDOM.training, label_smoothing=0.3, epochs=3)

    plain = train(EVERYTHING_RANDOM, digits, go_on)
    smoothed = train(replace(EVERYTHING_RANDOM, training=smooth), digits, go_on)

    assert smoothed.epochs[-1].loss > plain.epochs[-1].loss


@pytest.mark.parametrize("output", ["softmax", "logits"])
def test_the_validation_loss_is_the_cross_entropy_alone(digits: Dataset, tmp_path: Path, output: Output) -> None:
    """It excludes what the trial adds to its loss, and follows from the saved predictions."""
    model = VggConfig(blocks=1, filters=(8,), dense_units=16, l2=0.1, output=output)
    training = replace(EVERYTHING_RANDOM.training, label_smoothing=0.3, epochs=1)
    (epoch,) = train(replace(EVERYTHING_RANDOM, model=model, training=training), digits, go_on, folder=tmp_path).epochs

    with np.load(tmp_path / "validation.npz") as said:
        shares = probabilities_of(said["outputs"], logits=output == "logits")
        wanted = -np.log(shares[np.arange(60), said["labels"]]).mean()
    assert epoch.val_loss == pytest.approx(wanted, rel=1e-5)


def test_the_objective_decides_which_epoch_is_best(digits: Dataset) -> None:
    result = train(replace(EVERYTHING_RANDOM, objective="val_loss"), digits, go_on)

    lowest = min(result.epochs, key=lambda metrics: metrics.val_loss)
    assert result.best_epoch == lowest.epoch
    assert math.isfinite(lowest.val_loss)
