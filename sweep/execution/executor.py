"""The interface between the supervisor and the code that trains in child processes (in tests: in this process)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sweep.data.cache import Prepared
from sweep.errors import TrialFailure
from sweep.records.held_file import HeldFile
from sweep.records.trial_result import OnEpoch, TrialResult
from sweep.space.config import TrialConfig


@dataclass(frozen=True)
class Task:
    """What a child needs to train one trial; small and picklable.

    Attributes:
        prepared: the decoded images in the cache.
        folder: the trial's folder, for its log and its model; it must exist.
        held: files by which the child recognizes the folder before it writes: the lock of the study, if the supervisor
            holds one, and in the child the trial's log. If one of them has left its path, the child ends.
    """

    number: int
    config: TrialConfig
    prepared: Prepared
    folder: Path
    held: tuple[HeldFile, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a task ended: with a result, or with a failure that concerns only this trial."""

    number: int
    ended: TrialResult | TrialFailure


TrainTask = Callable[[Task, OnEpoch], TrialResult]
"""Trains a task in the process that calls it. If it raises a `TrialFailure`, that failure is the trial's outcome."""


class Executor(Protocol):
    """Runs tasks, at most one per worker at a time."""

    @property
    def workers(self) -> int:
        """The number of tasks that can run at a time."""

    def submit(self, task: Task, on_epoch: OnEpoch) -> int:
        """Start a task and return the worker's number, 0 for the first worker.

        `wait` calls `on_epoch` for every epoch that the task reports, in the supervisor's thread.
        """

    def wait(self, seconds: float) -> list[Outcome]:
        """Process what the running tasks report; return the outcomes of ended tasks, or [] after `seconds`."""

    def close(self) -> None:
        """End all running tasks immediately."""
