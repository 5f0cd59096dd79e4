"""Where the hours went: fitting, building, and the rest, by how the trials ended."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from sweep.analysis.history import History, fit_seconds, total_seconds
from sweep.records.trial_record import TrialRecord

STATES = ("complete", "pruned", "failed", "interrupted", "running")


@dataclass(frozen=True)
class TimeSpent:
    """The time of the trials in one state, in seconds, summed over trials that ran side by side.

    Attributes:
        fit: inside `fit`, validation included.
        build: building and compiling the models.
        rest: process start, reading images, writing models and records.
        median: of a trial's whole time.
    """

    state: str
    trials: int
    fit: float
    build: float
    rest: float
    median: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.fit + self.build + self.rest


def time_spent(history: History) -> tuple[TimeSpent, ...]:
    """A row per state that occurs."""
    return tuple(_spent(state, history.of(state)) for state in STATES if history.of(state))


def _spent(state: str, records: tuple[TrialRecord, ...]) -> TimeSpent:
    fit = sum(fit_seconds(record) for record in records)
    build = sum(max(0.0, record.timings.get("build", 0.0)) for record in records)
    whole = sum(total_seconds(record) for record in records)
    median = statistics.median(total_seconds(record) for record in records)
    return TimeSpent(state, len(records), fit, build, max(0.0, whole - fit - build), median)
