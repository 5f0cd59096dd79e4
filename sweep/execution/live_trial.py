"""A trial while it runs: its record, and what an epoch, a result or a failure changes in it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from sweep.errors import TrialFailure
from sweep.records.trial_record import TrialRecord
from sweep.records.trial_result import EpochMetrics, TrialResult, best_epoch
from sweep.study.failure_policies import Action


@dataclass
class LiveTrial:
    """A trial that the executor runs.

    Attributes:
        record: the current record.
        at_start: the record when this run started the trial, with everything that earlier runs recorded.
        worker: the number of the worker that the trial runs on.
        started: when this run started the trial, by `time.perf_counter`.
        retries: how often the trial was run again without progress; see `retries_without_progress`.
        reached: the largest number of finished epochs at any failure so far; 0 before the first failure.
    """

    record: TrialRecord
    at_start: TrialRecord
    worker: int = 0
    started: float = field(default_factory=time.perf_counter)
    retries: int = 0
    reached: int = 0

    @property
    def seconds(self) -> float:
        """Seconds spent on the trial, including those that earlier runs recorded."""
        return self.at_start.timings.get("total", 0.0) + time.perf_counter() - self.started

    def recorded(self, epoch: int) -> EpochMetrics | None:
        """Return the epoch with this number, from 1; None if the record does not have this epoch yet."""
        epochs = self.record.epochs
        return epochs[epoch - 1] if epoch <= len(epochs) else None

    def with_epoch(self, metrics: EpochMetrics) -> TrialRecord:
        """Return the record with this epoch added; recorded epochs with the same or a higher number are removed."""
        objective = self.record.config.objective
        epochs = (*self.record.epochs[: metrics.epoch - 1], metrics)
        best = best_epoch(epochs, objective)
        return replace(
            self.record,
            epochs=epochs,
            best_epoch=best.epoch,
            objective_value=best.value(objective),
            pruned_at=None,
            timings={"total": self.seconds},
        )

    def with_result(self, result: TrialResult, pruner: str) -> TrialRecord:
        """Return the record of a trial that trained without failing; `pruner` is the name of the study's pruner."""
        pruned = result.stop_reason == "stopped"
        reasons = {
            "epochs": "all epochs",
            "early_stopping": "early stopping",
            "stopped": f"pruned at epoch {self.record.pruned_at} ({pruner})",
        }
        return replace(
            self.record,
            state="pruned" if pruned else "complete",
            reason=reasons[result.stop_reason],
            parameters=result.parameters,
            weights_digest=result.weights_digest,
            timings={"build": result.build_seconds, "fit": result.fit_seconds},
            model_file=result.model_file,
            model_digest=result.model_digest,
            notes=result.notes,
        )

    def with_failure(self, failure: TrialFailure, action: Action) -> TrialRecord:
        """Return the record of a trial that failed and does not run again."""
        record = replace(self.record, cause=failure.cause, message=failure_text(failure))
        if action == "prune":
            reason = f"pruned after {len(record.epochs)} epochs ({failure.cause})"
            return replace(record, state="pruned", reason=reason)
        # The finished epochs stay in the record, but a failed trial has no result, so no epoch counts as its best.
        return replace(record, state="failed", reason=failure.cause, objective_value=None, best_epoch=None)

    def retries_without_progress(self) -> int:
        """Return how often the trial, which has just failed, was run again since it last finished a new epoch."""
        if len(self.record.epochs) > self.reached:
            self.reached = len(self.record.epochs)
            self.retries = 0
        return self.retries


def failure_text(failure: TrialFailure) -> str:
    """Return the message and the traceback as text that a record can hold."""
    # A file name that is not UTF-8 becomes text with surrogates, which JSON cannot encode.
    return f"{failure.message}\n{failure.traceback}".strip().encode("utf-8", "backslashreplace").decode("utf-8")
