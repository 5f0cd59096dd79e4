"""The order in which a sweep's last trials begin: the longest first, so that no worker waits long for the last one.

Scheduling the longest jobs first keeps the end of the last one within 4/3 of the best possible: R. L. Graham,
"Bounds on Multiprocessing Timing Anomalies", 1969.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

from sweep.space.config import TrialConfig
from sweep.study.optuna_study import Assignment, OptunaStudy

Cost: TypeAlias = Callable[[Sequence[TrialConfig]], Sequence[float]]
"""How long each of several trials takes, in any unit: only the order counts."""

ASKED_AHEAD = 2
"""Trials for each worker that are asked for together at the end. More would shorten the wait for the last trial a
little further, and let the sampler choose more points without the results of those before them."""


class TrialQueue:
    """Gives a study's trials, one after the other.

    Args:
        study: to ask.
        workers: how many trials run at a time; with one there is nothing to order.
        cost: compares the last trials; None leaves them in the study's order.
    """

    def __init__(self, study: OptunaStudy, workers: int, cost: Cost | None) -> None:
        self._study = study
        self._ahead = ASKED_AHEAD * workers if workers > 1 and cost is not None else 1
        self._cost = cost
        self._waiting: deque[Assignment] = deque()

    def next(self, total: int) -> Assignment | None:
        """The trial to begin now; None when the study has `total`.

        Raises:
            StudyError: the database fails.
        """
        if not self._waiting:
            self._waiting.extend(self._ask(total))
        return self._waiting.popleft() if self._waiting else None

    def _ask(self, total: int) -> list[Assignment]:
        first = self._study.next(total)
        if first is None:
            return []
        asked = [first]
        if total - self._study.begun() < self._ahead:
            while (more := self._study.next(total)) is not None:
                asked.append(more)
        return self._longest_first(asked)

    def _longest_first(self, asked: list[Assignment]) -> list[Assignment]:
        if len(asked) == 1 or self._cost is None:
            return asked
        costs = self._cost([assignment.config for assignment in asked])
        order = sorted(range(len(asked)), key=lambda index: -costs[index])  # stable: of equals the earlier number
        return [asked[index] for index in order]
