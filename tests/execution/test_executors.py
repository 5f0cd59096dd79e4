"""The contract that every executor must follow."""

# ruff: noqa: ARG001 - callbacks have the signature of `OnEpoch`

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from sweep.errors import FailureCause, TrialFailure
from sweep.execution.executor import Executor, Outcome, Task
from sweep.execution.fork_server_executor import ForkServerExecutor
from sweep.records.trial_result import EpochMetrics, TrialResult
from tests.execution.tasks import make_task, train
from tests.fakes import InlineExecutor
from tests.waiting import PATIENCE


def never_stop(metrics: EpochMetrics) -> bool:
    return False


def outcomes(executor: Executor, count: int, seconds: float = PATIENCE) -> dict[int, TrialResult | TrialFailure]:
    """Return how the next `count` tasks end, by number."""
    found: list[Outcome] = []
    end = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < end:
        found += executor.wait(0.5)
    return {outcome.number: outcome.ended for outcome in found}


def run(executor: Executor, task: Task) -> TrialResult | TrialFailure:
    executor.submit(task, never_stop)
    return outcomes(executor, 1)[task.number]


class ExecutorContract(ABC):
    @pytest.fixture
    @abstractmethod
    def executor(self) -> Iterator[Executor] | Executor: ...

    def test_a_task_ends_with_its_result(self, executor: Executor, tmp_path: Path) -> None:
        ended = run(executor, make_task(tmp_path))
        assert isinstance(ended, TrialResult)
        assert [metrics.epoch for metrics in ended.epochs] == [1, 2, 3, 4]
        assert [metrics.val_accuracy for metrics in ended.epochs] == [0.25, 0.375, 0.4375, 0.46875]
        assert (ended.stop_reason, ended.parameters) == ("epochs", 1234)

    def test_every_epoch_is_reported_in_order_within_wait(self, executor: Executor, tmp_path: Path) -> None:
        reported: list[EpochMetrics] = []

        def on_epoch(metrics: EpochMetrics) -> bool:
            reported.append(metrics)
            return False

        assert executor.submit(make_task(tmp_path), on_epoch) == 0
        assert reported == []
        ended = outcomes(executor, 1)[0]
        assert isinstance(ended, TrialResult)
        assert tuple(reported) == ended.epochs

    def test_a_task_stops_on_request(self, executor: Executor, tmp_path: Path) -> None:
        executor.submit(make_task(tmp_path), lambda metrics: metrics.epoch == 2)
        ended = outcomes(executor, 1)[0]
        assert isinstance(ended, TrialResult)
        assert (len(ended.epochs), ended.stop_reason) == (2, "stopped")

    @pytest.mark.parametrize("cause", get_args(FailureCause))
    def test_a_failure_arrives_whole(self, executor: Executor, tmp_path: Path, cause: FailureCause) -> None:
        ended = run(executor, make_task(tmp_path, f"failure:{cause}"))
        assert isinstance(ended, TrialFailure)
        assert (ended.cause, ended.message, ended.traceback) == (cause, "as asked for", "Traceback of it")

    def test_an_interrupted_task_resumes_and_reports_its_epochs_from_the_first(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        reported: list[int] = []

        def on_epoch(metrics: EpochMetrics) -> bool:
            reported.append(metrics.epoch)
            return False

        ended = []
        for _ in range(5):
            executor.submit(make_task(tmp_path, "cut off at every epoch"), on_epoch)
            ended.append(outcomes(executor, 1)[0])

        assert [type(one) for one in ended] == [TrialFailure] * 4 + [TrialResult]
        assert reported == [1, 1, 2, 1, 2, 3, 1, 2, 3, 4, 1, 2, 3, 4]

    def test_one_task_after_the_other(self, executor: Executor, tmp_path: Path) -> None:
        first = run(executor, make_task(tmp_path, "failure:nan", number=4))
        second = run(executor, make_task(tmp_path, number=7))
        assert (type(first), type(second)) == (TrialFailure, TrialResult)

    def test_with_nothing_to_do_wait_returns_nothing(self, executor: Executor) -> None:
        assert executor.wait(0.0) == []

    def test_after_close_there_are_no_outcomes(self, executor: Executor, tmp_path: Path) -> None:
        executor.submit(make_task(tmp_path), never_stop)
        executor.close()
        assert executor.wait(0.0) == []
        executor.close()

    def test_an_error_in_the_supervisor_passes_through(self, executor: Executor, tmp_path: Path) -> None:
        def broken(metrics: EpochMetrics) -> bool:
            raise RuntimeError("the database is full")

        executor.submit(make_task(tmp_path), broken)
        with pytest.raises(RuntimeError, match="the database is full"):
            outcomes(executor, 1)


class TestInlineExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Executor:
        return InlineExecutor(train)

    def test_it_has_one_worker(self, executor: Executor) -> None:
        assert executor.workers == 1


class TestForkServerExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self, light_fork_server: None) -> Iterator[Executor]:  # noqa: ARG002 - a fixture that is needed
        executor = ForkServerExecutor([None, None], train, preload=["tests.execution.tasks"])
        yield executor
        executor.close()

    def test_it_has_a_worker_per_slot(self, executor: Executor) -> None:
        assert executor.workers == 2

    def test_two_tasks_run_at_a_time_and_free_their_worker(self, executor: Executor, tmp_path: Path) -> None:
        tasks = [make_task(tmp_path, "rendezvous", number) for number in (0, 1)]
        assert [executor.submit(task, never_stop) for task in tasks] == [0, 1]
        assert {type(ended) for ended in outcomes(executor, 2).values()} == {TrialResult}
        assert executor.submit(make_task(tmp_path, number=2), never_stop) == 0
