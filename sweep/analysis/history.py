"""A study's records together with its space: the input of all judgements."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sweep.records.final_result import FinalResult
from sweep.records.openings_ledger import Opening
from sweep.records.trial_record import TrialRecord
from sweep.space.config import Objective, direction_of
from sweep.space.space import Space

GOOD_SHARE = 0.1
GOOD_LEAST = 3
"""The good trials are the best tenth of the complete trials, but at least three: fewer trials show no pattern."""


@dataclass(frozen=True)
class History:
    """A study's trials, in any state.

    Attributes:
        study: the name of the study.
        space: the searched space.
        records: the records of all trials, by number.
        openings: the openings of the test set.
        final: the result of `finalize`; None before `finalize`.
    """

    study: str
    space: Space
    records: tuple[TrialRecord, ...]
    openings: tuple[Opening, ...] = ()
    final: FinalResult | None = None

    @property
    def objective(self) -> Objective:
        """The metric that trials are ranked by."""
        return self.space.search.objective

    @property
    def maximize(self) -> bool:
        """True if a higher objective is better."""
        return direction_of(self.objective) == "maximize"

    def loss(self, value: float) -> float:
        """Return a value of the objective as a loss, where lower is better: negated if higher values are better."""
        return -value if self.maximize else value

    def of(self, *states: str) -> tuple[TrialRecord, ...]:
        """Return the trials in these states, by number."""
        return tuple(record for record in self.records if record.state in states)

    @cached_property
    def ranked(self) -> tuple[TrialRecord, ...]:
        """The complete trials, best first; of equal trials, the earlier trial first."""
        return self._by_value("complete")

    @cached_property
    def pruned(self) -> tuple[TrialRecord, ...]:
        """The pruned trials with a value, best first. They trained fewer epochs: do not compare them with `ranked`."""
        return self._by_value("pruned")

    def _by_value(self, state: str) -> tuple[TrialRecord, ...]:
        found = [record for record in self.of(state) if record.objective_value is not None]
        return tuple(sorted(found, key=lambda record: (self.loss(value_of(record)), record.number)))

    @cached_property
    def good(self) -> tuple[TrialRecord, ...]:
        """The best tenth of the complete trials, at least three if there are that many."""
        return self.ranked[: max(GOOD_LEAST, math.ceil(GOOD_SHARE * len(self.ranked)))]

    @cached_property
    def in_order(self) -> tuple[TrialRecord, ...]:
        """The ended trials, in the order in which they ended."""
        ended = self.of("complete", "pruned", "failed")
        return tuple(sorted(ended, key=lambda record: (moment(record.finished) or 0.0, record.number)))


def value_of(record: TrialRecord) -> float:
    """Return the objective of a trial that has one."""
    return float(record.objective_value or 0.0)


def total_seconds(record: TrialRecord) -> float:
    """Return the wall time of a trial; if it is not recorded (running, interrupted), the sum of the epochs' times."""
    return _seconds(record, "total")


def fit_seconds(record: TrialRecord) -> float:
    """Return the time inside `fit`; if it is not recorded (failed trials), the sum of the epochs' times."""
    return _seconds(record, "fit")


def _seconds(record: TrialRecord, timing: str) -> float:
    return max(0.0, record.timings.get(timing, math.fsum(metrics.seconds for metrics in record.epochs)))


def moment(text: str | None) -> float | None:
    """Return an ISO 8601 time with offset as seconds since 1970; None for anything else."""
    try:
        parsed = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return parsed.timestamp() if parsed.tzinfo is not None else None
