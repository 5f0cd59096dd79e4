"""Callbacks of a trial's `fit`. None of them raises: a raise would skip the others' `on_train_end`."""

from __future__ import annotations

import math
import time
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from sweep.models.schedule import RateSchedule
from sweep.space.config import TrainingConfig, TrialConfig, direction_of
from sweep.training.batches import Batches
from sweep.training.determinism import seed_generators
from sweep.training.result import EpochMetrics, OnEpoch


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
        self.best_weights: list[npt.NDArray[Any]] | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the time and the learning rate of the epoch."""
        self._started = time.perf_counter()
        self._learning_rate = epoch_rate(self.model.optimizer, self._training, int(self.params["steps"]))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Report; runs last, when the schedules have seen the epoch."""
        values = {name: float((logs or {})[name]) for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
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
            self.best_weights = self.model.get_weights()


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
            keras.callbacks.ReduceLROnPlateau(
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
            keras.callbacks.EarlyStopping(
                monitor=stopping.monitor,
                mode=_mode(stopping.monitor),
                patience=stopping.patience,
                min_delta=stopping.min_delta,
            )
        )
    return found


def _mode(monitor: str) -> str:
    return "max" if monitor.endswith("accuracy") else "min"
