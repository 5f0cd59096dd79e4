"""How the search went: the best so far against trials and against hours, and how the trials ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sweep.analysis.history import History, moment, total_seconds
from sweep.records.trial_record import TrialRecord


@dataclass(frozen=True)
class Step:
    """A trial's end.

    Attributes:
        place: 1 for the trial that ended first.
        hours: of search until then; hours in which no trial ran are left out.
        value: its objective; None for failed trials.
        best: best objective of a complete trial so far.
    """

    place: int
    number: int
    state: str
    hours: float
    value: float | None
    best: float | None


@dataclass(frozen=True)
class Progress:
    """The course of the search.

    Attributes:
        counts: trials by state.
        hours: in which at least one trial ran.
        improvements: how many trials were the best when they ended.
        since_best: trials that have ended since the best one did.
    """

    steps: tuple[Step, ...]
    counts: Mapping[str, int]
    hours: float
    improvements: int
    since_best: int


def progress(history: History) -> Progress:
    """Follow the trials in the order in which they ended."""
    clock = SearchClock(history.in_order)
    steps: list[Step] = []
    best: float | None = None
    improvements = last = 0
    for place, record in enumerate(history.in_order, start=1):
        value = record.objective_value
        complete = record.state == "complete" and value is not None
        if complete and value is not None and (best is None or history.loss(value) < history.loss(best)):
            best, last, improvements = value, place, improvements + 1
        steps.append(Step(place, record.number, record.state, clock.hours(record), value, best))
    return Progress(
        steps=tuple(steps),
        counts=_counts(history.records),
        hours=clock.total / 3600,
        improvements=improvements,
        since_best=len(steps) - last if last else 0,
    )


def _counts(records: tuple[TrialRecord, ...]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for record in records:
        counts[record.state] = counts.get(record.state, 0) + 1
    return counts


class SearchClock:
    """Tells the time of the search: it stands still while no trial runs, so a night between two runs counts nothing.

    Trials whose times cannot be read take part as if they had run one after the other, before all others.
    """

    def __init__(self, records: tuple[TrialRecord, ...]) -> None:
        spans = {id(record): _span(record) for record in records}
        self._untimed: dict[int, float] = {}
        elapsed = 0.0
        for record in records:
            if spans[id(record)] is None:
                elapsed += total_seconds(record)
                self._untimed[id(record)] = elapsed
        self._offset = elapsed
        self._busy = _union(sorted(span for span in spans.values() if span is not None))
        self.total = elapsed + sum(end - begin for begin, end in self._busy)

    def hours(self, record: TrialRecord) -> float:
        """Hours of search until this trial ended."""
        if id(record) in self._untimed:
            return self._untimed[id(record)] / 3600
        end = moment(record.finished) or 0.0
        passed = sum(min(end, until) - begin for begin, until in self._busy if begin < end)
        return (self._offset + passed) / 3600


def _span(record: TrialRecord) -> tuple[float, float] | None:
    """Begin and end; the begin from the wall time, because a trial that was run again began long before."""
    end, begin = moment(record.finished), moment(record.started)
    if end is None:
        return None
    if "total" in record.timings:
        return end - total_seconds(record), end
    return (min(begin, end), end) if begin is not None else (end, end)


def _union(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Overlapping spans joined; they come sorted."""
    joined: list[tuple[float, float]] = []
    for begin, end in spans:
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined
