"""A trial that is killed at any point resumes, and ends with the bits of an undisturbed one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from sweep.data.dataset import Dataset
from sweep.records import checkpoint
from sweep.records.trial_result import EpochMetrics, TrialResult
from sweep.space.config import EarlyStoppingConfig, PlateauConfig, TrialConfig
from sweep.training import resume
from sweep.training.callbacks import EarlyStopping, ReduceLROnPlateau, Reporter, Stateful
from sweep.training.train import train
from tests.training.test_train import EVERYTHING_RANDOM, go_on, without_time

pytestmark = pytest.mark.slow

# No epoch can improve by 1000, so the rate drops after every second epoch, and the fifth epoch is the last.
EVENTFUL = replace(
    EVERYTHING_RANDOM,
    training=replace(
        EVERYTHING_RANDOM.training,
        epochs=7,
        reduce_lr_on_plateau=PlateauConfig(factor=0.5, patience=2, min_delta=1000.0, cooldown=1),
        early_stopping=EarlyStoppingConfig(patience=4, min_delta=1000.0),
    ),
)


class Killed(BaseException):
    """Ends training as a SIGKILL would, because no code catches it."""


@pytest.fixture(scope="module")
def undisturbed(digits: Dataset) -> TrialResult:
    return train(EVENTFUL, digits, go_on)


def dies_after(epoch: int) -> Callable[[EpochMetrics], bool]:
    def on_epoch(metrics: EpochMetrics) -> bool:
        if metrics.epoch == epoch:
            raise Killed
        return False

    return on_epoch


def killed(digits: Dataset, folder: Path, on_epoch: Callable[[EpochMetrics], bool]) -> None:
    with pytest.raises(Killed):
        train(EVENTFUL, digits, on_epoch, folder=folder)


def same(result: TrialResult, other: TrialResult) -> bool:
    return (without_time(result.epochs), result.weights_digest, result.stop_reason, result.best_epoch) == (
        without_time(other.epochs),
        other.weights_digest,
        other.stop_reason,
        other.best_epoch,
    )


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("checkpoint-*"))


def test_the_undisturbed_trial_has_a_plateau_and_early_stopping(undisturbed: TrialResult) -> None:
    assert [metrics.learning_rate for metrics in undisturbed.epochs] == pytest.approx([0.01] * 3 + [0.005] * 2)
    assert undisturbed.stop_reason == "early_stopping"


def test_killed_again_and_again_it_ends_with_the_same_bits(
    digits: Dataset, undisturbed: TrialResult, tmp_path: Path
) -> None:
    for epoch in (1, 2, 4):
        killed(digits, tmp_path, dies_after(epoch))

    reported: list[int] = []

    def on_epoch(metrics: EpochMetrics) -> bool:
        reported.append(metrics.epoch)
        return False

    result = train(EVENTFUL, digits, on_epoch, folder=tmp_path)

    assert same(result, undisturbed)
    assert reported == [1, 2, 3, 4, 5]
    assert files(tmp_path) == ["checkpoint-0004.npz", "checkpoint-0005.npz"]


def test_killed_while_it_writes_a_checkpoint_it_repeats_that_epoch(
    digits: Dataset, undisturbed: TrialResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(folder: Path, what: checkpoint.Checkpoint, owner: str) -> None:
        if what.epoch == 3:
            (folder / "checkpoint-0003.part.npz").write_bytes(b"half")
            raise Killed
        checkpoint.write_checkpoint(folder, what, owner)

    monkeypatch.setattr(resume, "write_checkpoint", cut_off)
    killed(digits, tmp_path, go_on)
    monkeypatch.undo()

    assert files(tmp_path) == ["checkpoint-0001.npz", "checkpoint-0002.npz", "checkpoint-0003.part.npz"]
    assert same(train(EVENTFUL, digits, go_on, folder=tmp_path), undisturbed)


@pytest.mark.parametrize("torn", [("0003",), ("0002", "0003")])
def test_torn_checkpoints_cost_epochs_and_no_bits(
    digits: Dataset, undisturbed: TrialResult, tmp_path: Path, torn: tuple[str, ...]
) -> None:
    killed(digits, tmp_path, dies_after(3))
    for number in torn:
        path = tmp_path / f"checkpoint-{number}.npz"
        path.write_bytes(path.read_bytes()[:-7])

    assert same(train(EVENTFUL, digits, go_on, folder=tmp_path), undisturbed)


def test_killed_after_its_last_epoch_it_only_saves_its_model(
    digits: Dataset, undisturbed: TrialResult, tmp_path: Path
) -> None:
    killed(digits, tmp_path, dies_after(5))

    result = train(EVENTFUL, digits, go_on, folder=tmp_path)

    assert same(result, undisturbed)
    assert (tmp_path / "model.keras").is_file()
    model = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    predicted = model.predict(digits.validation.all_images(), verbose=0).argmax(axis=1)
    best = undisturbed.epochs[undisturbed.best_epoch - 1]
    assert float(np.mean(predicted == digits.validation.labels)) == pytest.approx(best.val_accuracy)


def test_a_stop_at_the_last_checkpoint_is_kept(digits: Dataset, tmp_path: Path) -> None:
    stopped = train(EVENTFUL, digits, lambda metrics: metrics.epoch == 2)
    killed(digits, tmp_path, dies_after(2))

    result = train(EVENTFUL, digits, lambda metrics: metrics.epoch == 2, folder=tmp_path)

    assert same(result, stopped)


def test_a_stop_before_the_checkpoint_gives_the_weights_of_that_epoch(digits: Dataset, tmp_path: Path) -> None:
    stopped = train(EVENTFUL, digits, lambda metrics: metrics.epoch == 1)
    killed(digits, tmp_path, dies_after(3))

    result = train(EVENTFUL, digits, lambda metrics: metrics.epoch == 1, folder=tmp_path)

    assert same(result, stopped)


def test_the_times_are_sums_over_all_starts(digits: Dataset, tmp_path: Path) -> None:
    killed(digits, tmp_path, dies_after(2))
    (first,) = list(checkpoint.checkpoints(tmp_path, checkpoint.identity(EVENTFUL, digits.stamp)))[:1]

    started = time.perf_counter()
    result = train(EVENTFUL, digits, go_on, folder=tmp_path)
    took = time.perf_counter() - started

    assert result.epochs[:2] == first.epochs  # to the last digit
    here = sum(metrics.seconds for metrics in result.epochs[2:])
    assert first.fit_seconds >= sum(metrics.seconds for metrics in first.epochs)
    assert first.fit_seconds + here <= result.fit_seconds < first.fit_seconds + took
    assert result.build_seconds > first.build_seconds
    assert result.images_per_second == pytest.approx(240 * 5 / result.fit_seconds)


def test_a_trial_with_another_seed_starts_from_scratch(digits: Dataset, tmp_path: Path) -> None:
    killed(digits, tmp_path, dies_after(2))
    other: TrialConfig = replace(EVENTFUL, seed=8)

    result = train(other, digits, go_on, folder=tmp_path)

    assert same(result, train(other, digits, go_on))


class Remembering(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """A callback with both methods of `Stateful`."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = np.zeros(0, np.int64)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002 - Keras' signature
        self.seen = np.append(self.seen, epoch)

    def get_state(self) -> dict[str, Any]:
        return {"seen": self.seen, "last": np.float32(0.1)}

    def set_state(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]


def test_any_callback_with_get_state_and_set_state_is_kept(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.optimizer.build(model.trainable_variables)
    epochs = [EpochMetrics(1, 1.0, 0.5, 1.0, 0.5, 0.01, 1.0)]
    states = []
    for seen in ([4, 5], []):
        callback = Remembering()
        callback.seen = np.array(seen, np.int64)
        reporter = Reporter(EVENTFUL, go_on)
        resumption = resume.Resumption(tmp_path, "owner", model, [callback], reporter, 0.5)
        resumption.resume(go_on)
        resumption.restore_states()
        reporter.epochs, reporter.best_epoch = epochs, 1
        resumption.save(epochs[0])
        states.append((callback.seen.tolist(), resumption.build_seconds))
    assert states == [([4, 5], 0.5), ([4, 5], 1.0)]


def test_the_states_of_keras_callbacks_exclude_their_thresholds() -> None:
    plateau, stopping = ReduceLROnPlateau(), EarlyStopping()
    stopping.on_train_begin()
    plateau.on_train_begin()
    assert isinstance(plateau, Stateful)
    assert isinstance(stopping, Stateful)
    assert plateau.get_state() == {"best": None, "wait": 0, "cooldown_counter": 0}
    assert stopping.get_state() == {"best": None, "best_epoch": 0, "wait": 0}
    assert not isinstance(keras.callbacks.TerminateOnNaN(), Stateful)
