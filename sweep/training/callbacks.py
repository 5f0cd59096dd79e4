"""Callbacks of a trial's `fit`. None of them raises: a raise would skip the others' `on_train_end`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
import numpy.typing as npt

from sweep.models.build import CROSS_ENTROPY
from sweep.models.optimizer import RateSchedule
from sweep.records.trial_result import EpochMetrics, OnEpoch, best_epoch
from sweep.space.config import TrainingConfig, TrialConfig, direction_of
from sweep.training.batches import Batches
from sweep.training.determinism import seed_generators

METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")
"""What is reported of an epoch, by its name in Keras' logs."""


@runtime_checkable
class Stateful(Protocol):
    """A callback that remembers something from one epoch to the next; it is kept in the trial's checkpoints."""

    def get_state(self) -> dict[str, Any]:
        """What it remembers at the end of an epoch: scalars, None or numpy arrays by name."""

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Remember it again; called at the beginning of the first epoch of a trial that goes on."""


class StateRestorer(keras.callbacks.Callback):
    """Gives callbacks their states back at the first epoch's beginning; Keras' own forget them in `on_train_begin`.

    Args:
        restore: does it.
    """

    def __init__(self, restore: Callable[[], None]) -> None:
        super().__init__()
        self._restore = restore
        self._restored = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Only once."""
        if not self._restored:
            self._restore()
        self._restored = True


class ReduceLROnPlateau(keras.callbacks.ReduceLROnPlateau):
    """Keras' callback that can be taken up again. Not `min_delta`: Keras turns its sign once per instance."""

    def get_state(self) -> dict[str, Any]:
        """The best value so far and the counters."""
        return {"best": self.best, "wait": self.wait, "cooldown_counter": self.cooldown_counter}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """The same again."""
        self.best, self.wait, self.cooldown_counter = state["best"], state["wait"], state["cooldown_counter"]


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Keras' callback that can be taken up again; see `ReduceLROnPlateau`."""

    def get_state(self) -> dict[str, Any]:
        """The best value so far, its epoch and the counter."""
        return {"best": self.best, "best_epoch": self.best_epoch, "wait": self.wait}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """The same again."""
        self.best, self.best_epoch, self.wait = state["best"], state["best_epoch"], state["wait"]


class PlainValidationLoss(keras.callbacks.Callback):
    """Makes `val_loss` the mean cross-entropy of the validation images, for all callbacks after this one.

    Keras's own has the trial's label smoothing and L2 penalty in it. By that, trials with less of them would rank
    higher whatever they answer, and what is reported would not compare with the test's.
    """

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keras hands one dict from callback to callback."""
        if logs is not None and f"val_{CROSS_ENTROPY}" in logs:
            logs["val_loss"] = logs[f"val_{CROSS_ENTROPY}"]


class EpochStart(keras.callbacks.Callback):
    """Sets data order and random generators for each epoch, before anything else runs.

    Args:
        batches: to shuffle.
        seed: of the trial.
    """

    def __init__(self, batches: Batches, seed: int) -> None:
        super().__init__()
        self._batches = batches
        self._seed = seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keras counts epochs from 0."""
        self._batches.start_epoch(epoch + 1)
        seed_generators(self.model, self._seed, epoch + 1)


class Reporter(keras.callbacks.Callback):
    """Tells every epoch, keeps the best epoch's weights, and stops when told to.

    Attributes:
        epochs: the finished epochs.
        not_finite: the first epoch whose loss was not a finite number; it is not among `epochs`.
        stopped: `on_epoch` said so.
        best_epoch: its number, 0 before the first.
        best_weights: of the best epoch, None before the first.
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
        """Know the epochs of an earlier start of the trial, of which there is at least one."""
        self.epochs = list(epochs)
        best = best_epoch(tuple(epochs), self._objective)
        self._best = self._sign * best.value(self._objective)
        self.best_epoch, self.best_weights = best.epoch, best_weights

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the time and the learning rate of the epoch."""
        self._started = time.perf_counter()
        self._learning_rate = epoch_rate(self.model.optimizer, self._training, int(self.params["steps"]))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Report; runs last, when the schedules have seen the epoch."""
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
    """The learning rate of the epoch that begins; its mean over the steps where a schedule changes it at each."""
    if config.schedule == "constant":
        return float(np.asarray(optimizer.learning_rate))
    return RateSchedule(config, steps).mean(int(optimizer.iterations), steps)


class RestartFromBest(keras.callbacks.Callback):
    """Training goes on from the best epoch's weights after every so many epochs; the optimizer's state stays.

    It has no state of its own: which epochs begin so follows from their number, and the reporter keeps the weights.

    Args:
        every: epochs.
        reporter: knows the best epoch.
    """

    def __init__(self, every: int, reporter: Reporter) -> None:
        super().__init__()
        self._every = every
        self._reporter = reporter

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keras counts epochs from 0."""
        if epoch > 0 and epoch % self._every == 0 and self._reporter.best_weights is not None:
            self.model.set_weights(self._reporter.best_weights)


def restarts(config: TrainingConfig, reporter: Reporter) -> list[keras.callbacks.Callback]:
    """A `RestartFromBest` if the configuration asks for it."""
    return [] if config.restart_every is None else [RestartFromBest(config.restart_every, reporter)]


def schedules(config: TrainingConfig) -> list[keras.callbacks.Callback]:
    """What the configuration asks for: ReduceLROnPlateau, EarlyStopping."""
    found: list[keras.callbacks.Callback] = []
    if config.reduce_lr_on_plateau is not None:
        plateau = config.reduce_lr_on_plateau
        found.append(
            ReduceLROnPlateau(
                monitor=plateau.monitor,
                mode=_mode(plateau.monitor),
                factor=plateau.factor,
                patience=plateau.patience,
                min_delta=plateau.min_delta,
                cooldown=plateau.cooldown,
                min_lr=plateau.min_lr,
            )
        )
    if config.early_stopping is not None:
        stopping = config.early_stopping
        found.append(
            EarlyStopping(
                monitor=stopping.monitor,
                mode=_mode(stopping.monitor),
                patience=stopping.patience,
                min_delta=stopping.min_delta,
            )
        )
    return found


def _mode(monitor: str) -> str:
    return "max" if monitor.endswith("accuracy") else "min"
