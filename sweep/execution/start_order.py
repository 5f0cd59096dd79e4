"""The order in which the last trials of a sweep start: the longest first, so that workers do not wait for the last one.

If the longest jobs start first, all jobs take at most 4/3 of the shortest possible time: R. L. Graham, "Bounds on
Multiprocessing Timing Anomalies", 1969.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

from sweep.space.config import TrialConfig
from sweep.study.optuna_study import OptunaStudy, PendingTrial

Cost: TypeAlias = Callable[[Sequence[TrialConfig]], Sequence[float]]
"""Estimates how long each trial takes, in any unit: only the order matters."""

ASKED_AHEAD = 2
"""Number of trials per worker that are requested together at the end of a sweep. A larger number would shorten the wait
for the last trial a little, but the sampler would choose more points without the results of earlier trials."""


class TrialQueue:
    """The trials of a study, in the order in which they start.

    Args:
        study: supplies the trials.
        workers: the number of trials that run at a time; with one worker, the order does not matter.
        cost: estimates the times of the last trials; None keeps them in the study's order.
    """

    def __init__(self, study: OptunaStudy, workers: int, cost: Cost | None) -> None:
        self._study = study
        self._ahead = ASKED_AHEAD * workers if workers > 1 and cost is not None else 1
        self._cost = cost
        self._waiting: deque[PendingTrial] = deque()

    def next(self, total: int) -> PendingTrial | None:
        """Return the trial to start now; None if the study has `total` trials.

        Raises:
            StudyError: the database fails.
        """
        if not self._waiting:
            self._waiting.extend(self._ask(total))
        return self._waiting.popleft() if self._waiting else None

    def _ask(self, total: int) -> list[PendingTrial]:
        first = self._study.next(total)
        if first is None:
            return []
        trials = [first]
        if total - self._study.count_started() < self._ahead:
            while (more := self._study.next(total)) is not None:
                trials.append(more)
        if len(trials) == 1 or self._cost is None:
            return trials
        costs = self._cost([trial.config for trial in trials])
        by_cost = sorted(zip(costs, trials, strict=True), key=lambda pair: -pair[0])  # stable for equal costs
        return [trial for _, trial in by_cost]
