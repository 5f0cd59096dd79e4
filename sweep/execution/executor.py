"""The seam between the supervisor and whatever trains: child processes here, this process in tests, others later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sweep.data.cache import Prepared
from sweep.errors import TrialFailure
from sweep.records.trial_result import OnEpoch, TrialResult
from sweep.space.config import TrialConfig


@dataclass(frozen=True)
class Task:
    """A trial to train; small and picklable.

    Attributes:
        prepared: where the decoded images are.
        folder: of the trial, for its log and its model.
    """

    number: int
    config: TrialConfig
    prepared: Prepared
    folder: Path


@dataclass(frozen=True)
class Outcome:
    """How a task ended: with a result, or with a failure of this trial alone."""

    number: int
    ended: TrialResult | TrialFailure


TrainTask = Callable[[Task, OnEpoch], TrialResult]
"""Trains a task, wherever that is; a `TrialFailure` that it raises is the trial's."""


class Executor(Protocol):
    """Runs tasks somewhere, as many at a time as it has workers."""

    @property
    def workers(self) -> int:
        """How many tasks can run at a time."""

    def submit(self, task: Task, on_epoch: OnEpoch) -> int:
        """Begin a task and return the worker's number, 0 for the first.

        `on_epoch` is called within `wait`, in the supervisor's own thread.
        """

    def wait(self, seconds: float) -> list[Outcome]:
        """Serve what the running tasks report; return those that have ended, or nothing after `seconds`."""

    def close(self) -> None:
        """End whatever still runs, at once."""
