"""An executor that trains in this very process, one task at a time."""

from __future__ import annotations

from sweep.errors import TrialFailure
from sweep.execution.executor import Outcome, Task, TrainTask
from sweep.records.trial_result import OnEpoch


class InlineExecutor:
    """Runs each submitted task whole within `wait`.

    Args:
        train: does the work.
    """

    def __init__(self, train: TrainTask) -> None:
        self._train = train
        self._waiting: list[tuple[Task, OnEpoch]] = []

    @property
    def workers(self) -> int:
        """One."""
        return 1

    def submit(self, task: Task, on_epoch: OnEpoch) -> int:
        """Keep the task for the next `wait`."""
        self._waiting.append((task, on_epoch))
        return 0

    def wait(self, seconds: float) -> list[Outcome]:  # noqa: ARG002 - nothing runs beside it that could be waited for
        """Run the oldest task to its end."""
        if not self._waiting:
            return []
        task, on_epoch = self._waiting.pop(0)
        try:
            return [Outcome(task.number, self._train(task, on_epoch))]
        except TrialFailure as failure:
            return [Outcome(task.number, failure)]

    def close(self) -> None:
        """Forget what has not begun."""
        self._waiting.clear()
