"""The state of a run, as a display shows it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace

from sweep.records.study_records import ranked
from sweep.records.trial_record import TrialRecord

ENDED = ("complete", "pruned", "failed")


@dataclass
class Tally:
    """The newest record of each trial, and counts. Drops the epochs of ended trials, which no display shows.

    The time of a change does not depend on the number of trials, because every epoch is a change.

    Attributes:
        total: number of trials that the study should have.
        workers: number of trials that run at a time.
        epochs: maximum epochs per trial.
        before: records of trials from earlier runs.
        started: time of the start, by the monotonic clock.
        best: the best complete trial; None if no trial is complete.
    """

    total: int
    workers: int
    epochs: int
    before: list[TrialRecord] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    best: TrialRecord | None = field(default=None, init=False)
    _newest: dict[int, TrialRecord] = field(default_factory=dict)
    _states: Counter[str] = field(default_factory=Counter)
    _running: dict[int, int] = field(default_factory=dict)
    _ended: int = 0
    _trained: int = 0
    _on_worker: dict[int, TrialRecord] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.before = [_without_epochs(record) for record in self.before]
        for record in self.before:
            self._count(record)

    def __call__(self, record: TrialRecord, worker: int) -> None:
        """Receive a change of a trial record."""
        self._on_worker[worker] = record
        self._running.pop(record.number, None)
        if record.state == "running":
            self._running[record.number] = len(record.epochs)
        elif record.state in ENDED:
            self._ended += 1
            self._trained += len(record.epochs)
            record = _without_epochs(record)
        self._count(record)

    def _count(self, record: TrialRecord) -> None:
        earlier = self._newest.get(record.number)
        if earlier is not None:
            self._states[earlier.state] -= 1
        self._states[record.state] += 1
        self._newest[record.number] = record
        self.best = next(iter(ranked([record] if self.best is None else [self.best, record])), None)

    @property
    def records(self) -> list[TrialRecord]:
        """The newest record of every trial."""
        return list(self._newest.values())

    def on_worker(self, worker: int) -> TrialRecord | None:
        """Return the newest record of the trial that a worker runs or ran last."""
        return self._on_worker.get(worker)

    def count(self, state: str) -> int:
        """Return the number of trials in a state."""
        return self._states[state]

    @property
    def ended(self) -> int:
        """The number of trials that will not run again."""
        return sum(self._states[state] for state in ENDED)

    def seconds_left(self, elapsed: float) -> float | None:
        """Estimate the remaining seconds from the epochs of this run; None until a trial of this run has ended.

        Args:
            elapsed: seconds since the start.
        """
        if not self._ended:
            return None
        per_trial = self._trained / self._ended
        trials = self._ended + (sum(self._running.values()) / per_trial if per_trial else 0)
        return max(0.0, elapsed / trials * (self.total - self.ended) - elapsed / trials * (trials - self._ended))


def _without_epochs(record: TrialRecord) -> TrialRecord:
    return replace(record, epochs=(), message="", environment={}, timings={})
