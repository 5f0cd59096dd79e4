"""The course of a search: the best value so far, the hours of search, and where the time went."""

from __future__ import annotations

import statistics
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from sweep.analysis.history import History, fit_seconds, moment, total_seconds
from sweep.records.trial_record import TrialRecord

STATES = ("complete", "pruned", "failed", "interrupted", "running")


@dataclass(frozen=True)
class Step:
    """The end of a trial.

    Attributes:
        place: 1 for the trial that ended first.
        hours: hours of search until then, without the hours in which no trial ran.
        value: the objective; None for failed trials.
        best: the best objective of the complete trials so far.
    """

    place: int
    number: int
    state: str
    hours: float
    value: float | None
    best: float | None


@dataclass(frozen=True)
class Progress:
    """The course of a search.

    Attributes:
        counts: number of trials by state.
        hours: hours in which at least one trial ran.
        improvements: number of trials that were the best when they ended.
        since_best: number of trials that have ended after the best trial.
    """

    steps: tuple[Step, ...]
    counts: Mapping[str, int]
    hours: float
    improvements: int
    since_best: int


def progress(history: History) -> Progress:
    """Return the course of the search, from the trials in the order in which they ended."""
    hours = _search_hours(history.in_order)
    steps: list[Step] = []
    best: float | None = None
    improvements = last = 0
    for place, (record, passed) in enumerate(zip(history.in_order, hours, strict=True), start=1):
        value = record.objective_value
        complete = record.state == "complete" and value is not None
        if complete and value is not None and (best is None or history.loss(value) < history.loss(best)):
            best, last, improvements = value, place, improvements + 1
        steps.append(Step(place, record.number, record.state, passed, value, best))
    return Progress(
        steps=tuple(steps),
        counts=dict(Counter(record.state for record in history.records)),
        hours=max(hours, default=0.0),
        improvements=improvements,
        since_best=len(steps) - last if last else 0,
    )


def _search_hours(records: Sequence[TrialRecord]) -> list[float]:
    """Return the hours of search until each trial ended. Time in which no trial ran, such as a night, does not count.

    Trials without readable times count as if they had run one after the other, before all other trials.
    """
    spans = [_span(record) for record in records]
    untimed = list(accumulate(0.0 if span else total_seconds(r) for r, span in zip(records, spans, strict=True)))
    busy = _union(sorted(span for span in spans if span is not None))
    starts = [start for start, _ in busy]
    earlier = list(accumulate((end - start for start, end in busy), initial=untimed[-1] if untimed else 0.0))
    hours = []
    for span, before in zip(spans, untimed, strict=True):
        seconds = before
        if span is not None:
            last = bisect_right(starts, span[1]) - 1  # the busy time in which the trial ended
            seconds = earlier[last] + span[1] - starts[last]
        hours.append(seconds / 3600)
    return hours


def _span(record: TrialRecord) -> tuple[float, float] | None:
    """Return a trial's start and end. The start is the end minus the wall time, which excludes the trial's pauses."""
    end, start = moment(record.finished), moment(record.started)
    if end is None:
        return None
    if "total" in record.timings:
        return end - total_seconds(record), end
    return (min(start, end), end) if start is not None else (end, end)


def _union(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Join overlapping spans, which must be sorted."""
    joined: list[tuple[float, float]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


@dataclass(frozen=True)
class TimeSpent:
    """The time of the trials in one state, in seconds, summed over trials that ran in parallel.

    Attributes:
        fit: time inside `fit`, validation included.
        build: time for building and compiling the models.
        rest: time for starting processes, reading images, writing models and records.
        median: median of the trials' total times.
    """

    state: str
    trials: int
    fit: float
    build: float
    rest: float
    median: float

    @property
    def total(self) -> float:
        """The sum of `fit`, `build` and `rest`."""
        return self.fit + self.build + self.rest


def time_spent(history: History) -> tuple[TimeSpent, ...]:
    """Return a row for each state that occurs."""
    return tuple(_spent(state, history.of(state)) for state in STATES if history.of(state))


def _spent(state: str, records: tuple[TrialRecord, ...]) -> TimeSpent:
    fit = sum(fit_seconds(record) for record in records)
    build = sum(max(0.0, record.timings.get("build", 0.0)) for record in records)
    totals = [total_seconds(record) for record in records]
    return TimeSpent(state, len(records), fit, build, max(0.0, sum(totals) - fit - build), statistics.median(totals))
