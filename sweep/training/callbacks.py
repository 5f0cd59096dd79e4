"""Callbacks of a trial's `fit`. They raise no errors: an error would skip `on_train_end` of the other callbacks."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
import numpy.typing as npt
from typing_extensions import override

from sweep.models.build import CROSS_ENTROPY
from sweep.models.optimizer import RateSchedule
from sweep.records.trial_result import EpochMetrics, OnEpoch, best_epoch
from sweep.space.config import TrainingConfig, TrialConfig, direction_of
from sweep.training.tf_batches import Batches
from sweep.training.tf_determinism import seed_generators

METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")
"""The reported metrics of an epoch, by their names in Keras' logs. The argument `epoch` of callbacks
counts from 0, as in Keras; everything else counts from 1."""


@runtime_checkable
class Stateful(Protocol):
    """A callback with a state that lasts from epoch to epoch; the trial's checkpoints contain this state."""

    def get_state(self) -> dict[str, Any]:
        """Return the state at the end of an epoch: scalars, None or NumPy arrays by name."""

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore the state, at the start of the first epoch of a resumed trial."""


class StateRestorer(keras.callbacks.Callback):
    """Calls `restore` before the first epoch, because Keras' callbacks reset their state in `on_train_begin`."""

    def __init__(self, restore: Callable[[], None]) -> None:
        super().__init__()
        self._restore: Callable[[], None] | None = restore

    @override
    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._restore is not None:
            self._restore()
        self._restore = None


class _NamedState:
    """The state of a callback: the attributes whose names are in `STATE`."""

    STATE: tuple[str, ...]

    def get_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.STATE}

    def set_state(self, state: Mapping[str, Any]) -> None:
        for name in self.STATE:
            setattr(self, name, state[name])


class ReduceLROnPlateau(_NamedState, keras.callbacks.ReduceLROnPlateau):
    """Keras' callback with a state. The state lacks `min_delta`: Keras flips the sign of this argument in each new
    instance, so a restored value would be flipped twice."""

    STATE = ("best", "wait", "cooldown_counter")


class EarlyStopping(_NamedState, keras.callbacks.EarlyStopping):
    """Keras' callback with a state; see `ReduceLROnPlateau`."""

    STATE = ("best", "best_epoch", "wait")


class PlainValidationLoss(keras.callbacks.Callback):
    """Makes `val_loss` the mean cross-entropy of the validation images, for all callbacks after this one.

    Keras' value includes the trial's label smoothing and L2 penalty: trials with less of either would rank higher
    regardless of their outputs, and the value would not be comparable with the loss on the test set.
    """

    @override
    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # Keras passes the same dict to all callbacks, so the later ones receive the new value.
        if logs is not None and f"val_{CROSS_ENTROPY}" in logs:
            logs["val_loss"] = logs[f"val_{CROSS_ENTROPY}"]


class EpochStart(keras.callbacks.Callback):
    """Sets data order and random generators for each epoch, before its first batch.

    Args:
        batches: the batches to shuffle.
        seed: the trial's seed.
    """

    def __init__(self, batches: Batches, seed: int) -> None:
        super().__init__()
        self._batches = batches
        self._seed = seed

    @override
    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._batches.start_epoch(epoch + 1)
        seed_generators(self.model, self._seed, epoch + 1)


class Reporter(keras.callbacks.Callback):
    """Reports every epoch, keeps the best epoch's weights, and stops training on request.

    The reporter must be the last callback, after those of `schedules()`.

    Attributes:
        epochs: the finished epochs.
        not_finite: the first epoch whose loss was not a finite number; it is not in `epochs`.
        stopped: True if `on_epoch` requested to stop.
        best_epoch: number of the best epoch; 0 until an epoch has ended.
        best_weights: weights of the best epoch; None until an epoch has ended.
    """

    def __init__(self, config: TrialConfig, on_epoch: OnEpoch) -> None:
        super().__init__()
        self._training = config.training
        self._objective = config.objective
        self._sign = 1.0 if direction_of(config.objective) == "maximize" else -1.0
        self._on_epoch = on_epoch
        self._started = 0.0
        self._learning_rate = math.nan
        self._best = -math.inf
        self.epochs: list[EpochMetrics] = []
        self.not_finite: int | None = None
        self.stopped = False
        self.best_epoch = 0
        self.best_weights: list[npt.NDArray[Any]] | None = None

    def restore(self, epochs: Sequence[EpochMetrics], best_weights: list[npt.NDArray[Any]]) -> None:
        """Continue a resumed trial after its finished epochs, at least one."""
        self.epochs = list(epochs)
        best = best_epoch(tuple(epochs), self._objective)
        self._best = self._sign * best.value(self._objective)
        self.best_epoch, self.best_weights = best.epoch, best_weights

    @override
    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._started = time.perf_counter()
        self._learning_rate = epoch_rate(self.model.optimizer, self._training, int(self.params["steps"]))

    @override
    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = {name: float((logs or {})[name]) for name in METRICS}
        if not all(math.isfinite(value) for value in values.values()):
            self.not_finite = epoch + 1
            self.model.stop_training = True
            return
        metrics = EpochMetrics(
            epoch=epoch + 1,
            learning_rate=self._learning_rate,
            seconds=time.perf_counter() - self._started,
            **values,
        )
        self.epochs.append(metrics)
        self._keep_best(metrics)
        if self._on_epoch(metrics):
            self.stopped = True
            self.model.stop_training = True

    def _keep_best(self, metrics: EpochMetrics) -> None:
        value = self._sign * metrics.value(self._objective)
        if value > self._best:
            self._best = value
            self.best_epoch, self.best_weights = metrics.epoch, self.model.get_weights()


def epoch_rate(optimizer: keras.Optimizer, config: TrainingConfig, steps: int) -> float:
    """Return the learning rate of the epoch that starts; with a schedule, the mean over the epoch's steps."""
    if config.schedule == "constant":
        return float(np.asarray(optimizer.learning_rate))
    return RateSchedule(config, steps).mean(int(optimizer.iterations), steps)


class RestartFromBest(keras.callbacks.Callback):
    """Restores the best epoch's weights after every `every` epochs; the optimizer's state stays.

    The callback needs no state: the epoch's number decides when it acts, and the reporter has the weights.

    Args:
        every: number of epochs between two restarts; None for no restarts.
        reporter: the trial's reporter, which has the best weights.
    """

    def __init__(self, every: int | None, reporter: Reporter) -> None:
        super().__init__()
        self._every = every
        self._reporter = reporter

    @override
    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        due = self._every is not None and epoch > 0 and epoch % self._every == 0
        if due and self._reporter.best_weights is not None:
            self.model.set_weights(self._reporter.best_weights)


def schedules(config: TrainingConfig) -> list[keras.callbacks.Callback]:
    """Return ReduceLROnPlateau and EarlyStopping, if the configuration has them."""
    kinds = ((ReduceLROnPlateau, config.reduce_lr_on_plateau), (EarlyStopping, config.early_stopping))
    return [
        kind(mode="max" if section.monitor.endswith("accuracy") else "min", **dataclasses.asdict(section))
        for kind, section in kinds
        if section is not None
    ]
