"""What a display must know of a run, gathered from the records as they come."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from sweep.records.study_records import ranked
from sweep.records.trial_record import TrialRecord

ENDED = ("complete", "pruned", "failed")


@dataclass
class Tally:
    """Counts and the newest records of a run; of trials that have ended without their epochs, which are in the study.

    Attributes:
        total: trials that the study is to have.
        workers: how many run at a time.
        epochs: the most that a trial trains.
        before: records of trials that had ended before this run began.
    """

    total: int
    workers: int
    epochs: int
    before: list[TrialRecord] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)
    _newest: dict[int, TrialRecord] = field(default_factory=dict)
    _trained: int = 0
    _on_worker: dict[int, TrialRecord] = field(default_factory=dict)

    def __call__(self, record: TrialRecord, worker: int) -> None:
        """Take a change of a trial."""
        self._on_worker[worker] = record
        if record.state in ENDED:
            self._trained += len(record.epochs)
            record = replace(record, epochs=(), message="", environment={}, timings={})
        self._newest[record.number] = record

    @property
    def records(self) -> list[TrialRecord]:
        """The newest record of every trial of the study that is known here."""
        known = {record.number: record for record in self.before}
        return list({**known, **self._newest}.values())

    def on_worker(self, worker: int) -> TrialRecord | None:
        """What a worker runs, or ran last."""
        return self._on_worker.get(worker)

    def count(self, state: str) -> int:
        """Trials in a state."""
        return sum(record.state == state for record in self.records)

    @property
    def ended(self) -> int:
        """Trials that will not run any more."""
        return sum(record.state in ENDED for record in self.records)

    @property
    def best(self) -> TrialRecord | None:
        """The best complete trial."""
        return next(iter(ranked(self.records)), None)

    def seconds_left(self, elapsed: float) -> float | None:
        """A guess from the epochs trained in this run, pruned and failed trials counted as they came; None at first.

        Args:
            elapsed: seconds since the run began.
        """
        here = list(self._newest.values())
        ended = sum(record.state in ENDED for record in here)
        if not ended:
            return None
        running = sum(len(record.epochs) for record in here if record.state == "running")
        per_trial = self._trained / ended
        trials = ended + (running / per_trial if per_trial else 0)
        return max(0.0, elapsed / trials * (self.total - self.ended) - elapsed / trials * (trials - ended))
