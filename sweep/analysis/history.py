"""What is judged: a study's records together with its space."""

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
"""Good trials are the best tenth of the complete ones, at least three: fewer show no pattern."""


@dataclass(frozen=True)
class History:
    """A study's trials, whatever their state.

    Attributes:
        study: its name.
        space: what was searched.
        records: of all trials, by number.
        openings: of the test set.
        final: what `finalize` has found, None before it.
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
        """Whether more is better."""
        return direction_of(self.objective) == "maximize"

    def loss(self, value: float) -> float:
        """The value turned so that less is better."""
        return -value if self.maximize else value

    def of(self, *states: str) -> tuple[TrialRecord, ...]:
        """The trials in these states, by number."""
        return tuple(record for record in self.records if record.state in states)

    @cached_property
    def ranked(self) -> tuple[TrialRecord, ...]:
        """The complete trials, best first; of equals the one that was begun earlier."""
        return self._by_value("complete")

    @cached_property
    def pruned(self) -> tuple[TrialRecord, ...]:
        """The pruned trials with a value, best first: the value of fewer epochs, so not comparable with `ranked`."""
        return self._by_value("pruned")

    def _by_value(self, state: str) -> tuple[TrialRecord, ...]:
        found = [record for record in self.of(state) if record.objective_value is not None]
        return tuple(sorted(found, key=lambda record: (self.loss(value_of(record)), record.number)))

    @cached_property
    def good(self) -> tuple[TrialRecord, ...]:
        """The best tenth of the complete trials, at least three if there are so many."""
        return self.ranked[: max(GOOD_LEAST, math.ceil(GOOD_SHARE * len(self.ranked)))]

    @cached_property
    def in_order(self) -> tuple[TrialRecord, ...]:
        """The trials that have ended, as they ended."""
        ended = self.of("complete", "pruned", "failed")
        return tuple(sorted(ended, key=lambda record: (moment(record.finished) or 0.0, record.number)))


def value_of(record: TrialRecord) -> float:
    """The objective of a trial that has one."""
    return float(record.objective_value or 0.0)


def total_seconds(record: TrialRecord) -> float:
    """Wall time of a trial; the sum of its epochs where the record does not say (running, interrupted)."""
    return max(0.0, record.timings.get("total", math.fsum(metrics.seconds for metrics in record.epochs)))


def fit_seconds(record: TrialRecord) -> float:
    """Time inside `fit`; the sum of the epochs where the record does not say (failed trials)."""
    return max(0.0, record.timings.get("fit", math.fsum(metrics.seconds for metrics in record.epochs)))


def moment(text: str | None) -> float | None:
    """Seconds since 1970 of an ISO 8601 time with offset; None for anything else."""
    try:
        parsed = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return parsed.timestamp() if parsed.tzinfo is not None else None
