"""What training reports: an `EpochMetrics` per epoch, a `TrialResult` per trial, a `RefitResult` of the last one."""

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
"""What the best epoch's model says of the validation images: `outputs` float32 (n, classes) as the model gives them,
`labels` int64 (n,), `positions` int64 (n,) in the cached training part."""
SUMMARY_FILE = "summary.txt"

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=_STRICT)
class EpochMetrics:
    """One finished epoch.

    Attributes:
        epoch: 1 for the first.
        loss, accuracy: mean over the epoch's training batches, augmentation and dropout on; L2 penalty in the loss.
            With `class_weights: balanced` the loss is weighted by class, the other three are not.
        val_loss, val_accuracy: over the validation images after the epoch; the loss is the mean cross-entropy without
            label smoothing and penalty, or what a compiled model of the user's own says.
        learning_rate: used during the epoch; the mean over its steps where a schedule changes it at each.
        seconds: wall time of the epoch, validation included.
    """

    epoch: Annotated[int, Ge(1)]
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float

    def value(self, objective: Objective) -> float:
        """The metric that the study is about."""
        return self.val_accuracy if objective == "val_accuracy" else self.val_loss


OnEpoch = Callable[[EpochMetrics], bool]
"""Told every finished epoch; True means: stop now."""

StopReason = Literal["epochs", "early_stopping", "stopped"]
"""Why training ended: all epochs done, early stopping, or `on_epoch` said so."""


@dataclass(frozen=True, config=_STRICT)
class TrialResult:
    """A trial that trained without failing.

    Attributes:
        epochs: every finished epoch, in order.
        stop_reason: see `StopReason`.
        best_epoch: number of the epoch with the best objective (the first of equals).
        parameters: number of weights of the model, trainable or not, without seed generators.
        weights_digest: sha256 over the weights after the last epoch: model variables, then optimizer variables.
        build_seconds, fit_seconds: wall time of building and compiling, and inside `fit`.
        images_per_second: training images over the time inside `fit`, validation included in that time.
        model_file: file name of the best epoch's model inside the trial's folder, None where none was written.
        model_digest: see `sweep.models.model_digest`; None where the model cannot tell its configuration.
        notes: what a reader of the record should know.
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
    """The epoch with the best objective, the first of equals.

    Raises:
        ValueError: there is no epoch.
    """
    sign = 1.0 if direction_of(objective) == "maximize" else -1.0
    return max(epochs, key=lambda metrics: sign * metrics.value(objective))


@dataclasses.dataclass(frozen=True)
class RefitResult:
    """A model that was trained on everything.

    Attributes:
        losses: training loss of each epoch.
        weights_digest: of the weights after the last epoch, which are those of the file.
    """

    data: DataStamp
    losses: tuple[float, ...]
    parameters: int
    weights_digest: str
    seconds: float
