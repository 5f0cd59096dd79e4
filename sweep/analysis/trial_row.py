"""A trial as a row of a table: its values, their names in files, and their texts for readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sweep.analysis.formatting import NONE, duration, format_values, metric
from sweep.records.trial_record import TrialRecord
from sweep.space.fields import Value


@dataclass(frozen=True)
class TrialRow:
    """One trial.

    Attributes:
        value: the objective of the best epoch.
        behind: difference from the objective of the best trial, 0 or more; None if the two are not comparable.
        epochs: number of finished epochs.
        parameters: number of the model's weights.
        seconds: wall time; None if it is not recorded.
        values: the sampled values.
        origin: where the values come from; None if they come from the sampler.
    """

    number: int
    state: str
    reason: str
    value: float | None
    behind: float | None
    best_epoch: int | None
    epochs: int
    parameters: int | None
    seconds: float | None
    values: Mapping[str, Value]
    origin: str | None

    def columns(self, objective: str) -> dict[str, Any]:
        """Return the columns of CSV files and data frames, except the sampled values, by name."""
        values = (self.state, self.reason, self.value, self.best_epoch, self.epochs, self.parameters, self.seconds)
        return dict(zip(column_names(objective), values, strict=True))

    def texts(self, objective: str) -> dict[str, str]:
        """Return the cells of a table for readers, by heading."""
        origin = f" (from {self.origin})" if self.origin else ""
        return {
            "trial": str(self.number),
            "state": self.state if self.state != "failed" else f"failed: {self.reason}",
            objective: metric(self.value),
            "behind": NONE if self.behind is None else "" if self.behind == 0 else metric(self.behind),
            "best epoch": f"{NONE if self.best_epoch is None else self.best_epoch}/{self.epochs}",
            "parameters": NONE if self.parameters is None else f"{self.parameters:,}",
            "time": NONE if self.seconds is None else duration(self.seconds),
            "values": format_values(self.values) + origin,
        }


def column_names(objective: str) -> tuple[str, ...]:
    """Return the column names of `TrialRow.columns`."""
    return ("state", "reason", objective, "best_epoch", "epochs", "parameters", "seconds")


def trial_row(record: TrialRecord) -> TrialRow:
    """Return the row of a trial; `behind` needs the other trials and stays None."""
    return TrialRow(
        number=record.number,
        state=record.state,
        reason=record.reason,
        value=record.objective_value,
        behind=None,
        best_epoch=record.best_epoch,
        epochs=len(record.epochs),
        parameters=record.parameters,
        seconds=record.timings.get("total"),
        values=dict(record.values),
        origin=record.origin,
    )


def result_text(record: TrialRecord) -> str:
    """Return `val_accuracy 0.9506 at epoch 5` for a trial with a finished epoch."""
    return f"{record.config.objective} {metric(record.objective_value)} at epoch {record.best_epoch}"


def states_text(records: Iterable[TrialRecord]) -> str:
    """Return `2 complete, 1 failed`; "" for no trials."""
    counts = Counter(record.state for record in records)
    return ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
