"""The state of a run, as a display shows it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from sweep.records.study_records import ranked
from sweep.records.trial_record import TrialRecord

ENDED = ("complete", "pruned", "failed")


@dataclass
class Tally:
    """The newest record of each trial, and counts. Drops the epochs of ended trials, which no display shows.

    Attributes:
        total: number of trials that the study should have.
        workers: number of trials that run at a time.
        epochs: maximum epochs per trial.
        before: records of trials from earlier runs.
        started: time of the start, by the monotonic clock.
    """

    total: int
    workers: int
    epochs: int
    before: list[TrialRecord] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    _newest: dict[int, TrialRecord] = field(default_factory=dict)
    _trained: int = 0
    _on_worker: dict[int, TrialRecord] = field(default_factory=dict)

    def __call__(self, record: TrialRecord, worker: int) -> None:
        """Receive a change of a trial record."""
        self._on_worker[worker] = record
        if record.state in ENDED:
            self._trained += len(record.epochs)
            record = replace(record, epochs=(), message="", environment={}, timings={})
        self._newest[record.number] = record

    @property
    def records(self) -> list[TrialRecord]:
        """The newest record of every trial."""
        known = {record.number: record for record in self.before}
        return list({**known, **self._newest}.values())

    def on_worker(self, worker: int) -> TrialRecord | None:
        """Return the newest record of the trial that a worker runs or ran last."""
        return self._on_worker.get(worker)

    def count(self, state: str) -> int:
        """Return the number of trials in a state."""
        return sum(record.state == state for record in self.records)

    @property
    def ended(self) -> int:
        """The number of trials that will not run again."""
        return sum(record.state in ENDED for record in self.records)

    @property
    def best(self) -> TrialRecord | None:
        """The best complete trial."""
        return next(iter(ranked(self.records)), None)

    def seconds_left(self, elapsed: float) -> float | None:
        """Estimate the remaining seconds from the epochs of this run; None until a trial of this run has ended.

        Args:
            elapsed: seconds since the start.
        """
        here = list(self._newest.values())
        ended = sum(record.state in ENDED for record in here)
        if not ended:
            return None
        running = sum(len(record.epochs) for record in here if record.state == "running")
        per_trial = self._trained / ended
        trials = ended + (running / per_trial if per_trial else 0)
        return max(0.0, elapsed / trials * (self.total - self.ended) - elapsed / trials * (trials - ended))
