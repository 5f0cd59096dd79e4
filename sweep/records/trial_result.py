"""The results of training: `EpochMetrics` per epoch, `TrialResult` per trial, `RefitResult` for the final model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Annotated, Literal

from annotated_types import Ge
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from sweep.records.image_facts import DataStamp
from sweep.space.config import Objective, direction_of

PREDICTIONS_FILE = "validation.npz"
"""Predictions of the best epoch's model for the validation images: `outputs` float32 (n, classes), unchanged model
outputs; `labels` int64 (n,); `positions` int64 (n,) in the cached training set."""
SUMMARY_FILE = "summary.txt"

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class EpochMetrics:
    """One finished epoch.

    Attributes:
        epoch: number of the epoch, counted from 1.
        loss, accuracy: mean over the epoch's training batches, with augmentation and dropout; the loss includes the L2
            penalty. With `class_weights: balanced` the loss is weighted by class, the other three metrics are not.
        val_loss, val_accuracy: of the validation images after the epoch; the loss is the mean cross-entropy without
            label smoothing and penalty, or the loss of a compiled user model.
        learning_rate: learning rate of the epoch; the mean over its steps if a schedule changes it at each step.
        seconds: wall time of the epoch, including validation.
    """

    epoch: Annotated[int, Ge(1)]
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float

    def value(self, objective: Objective) -> float:
        """The value of the objective."""
        return self.val_accuracy if objective == "val_accuracy" else self.val_loss


OnEpoch = Callable[[EpochMetrics], bool]
"""Called with every finished epoch; returns True to stop training."""

StopReason = Literal["epochs", "early_stopping", "stopped"]
"""Why training ended: all epochs done, early stopping, or `on_epoch` returned True."""


@dataclass(frozen=True, config=_STRICT)
class TrialResult:
    """The result of a trial that did not fail.

    Attributes:
        epochs: every finished epoch, in order.
        best_epoch: number of the epoch with the best objective (the first of equal ones).
        parameters: number of weights of the model, trainable or not, without seed generators.
        weights_digest: SHA-256 over the weights after the last epoch: model variables, then optimizer variables.
        build_seconds, fit_seconds: wall time of building and compiling the model, and of `fit`.
        images_per_second: training images per second inside `fit`, including the time of validation.
        model_file: file name of the best epoch's model in the trial's folder; None if none was written.
        model_digest: see `sweep.models.model_digest`; None if the model has no configuration.
        notes: remarks for readers of the record.
    """

    epochs: tuple[EpochMetrics, ...]
    stop_reason: StopReason
    best_epoch: int
    parameters: int
    weights_digest: str
    build_seconds: float
    fit_seconds: float
    images_per_second: float
    model_file: str | None = None
    model_digest: str | None = None
    notes: tuple[str, ...] = ()


def best_epoch(epochs: tuple[EpochMetrics, ...], objective: Objective) -> EpochMetrics:
    """The epoch with the best objective, the first of equal ones; raises ValueError if `epochs` is empty."""
    sign = 1.0 if direction_of(objective) == "maximize" else -1.0
    return max(epochs, key=lambda metrics: sign * metrics.value(objective))


@dataclasses.dataclass(frozen=True)
class RefitResult:
    """The result of training on the training and validation images together.

    Attributes:
        losses: training loss of each epoch.
        weights_digest: digest of the weights in the model file, which are those after the last epoch.
    """

    data: DataStamp
    losses: tuple[float, ...]
    parameters: int
    weights_digest: str
    seconds: float
