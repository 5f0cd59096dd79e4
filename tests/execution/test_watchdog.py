"""Trials that hang or use too much memory: tested with real processes, and the decisions also without processes."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sweep.errors import TrialFailure
from sweep.execution import watchdog
from sweep.execution.executor import Executor, Outcome, Task, TrainTask
from sweep.execution.fork_server_executor import ForkServerExecutor
from sweep.execution.supervisor import Supervisor, TrialSetting
from sweep.execution.watchdog import (
    Limits,
    WatchedExecutor,
    _counters,
    kills_in,
    limits_of,
    parse_size,
    patience,
    resident,
)
from sweep.records.study_records import read_records
from sweep.records.trial_result import OnEpoch
from sweep.space.config import SearchConfig
from sweep.study.optuna_study import OptunaStudy
from tests.execution.tasks import make_task
from tests.execution.test_executors import never_stop
from tests.fakes import PREPARED, STAMP, make_space, make_study, metrics
from tests.faults import tasks
from tests.waiting import PATIENCE, wait_until


def ignore(pid: int) -> None:
    """Do not change the process."""


def watched(train: TrainTask, limits: Limits) -> WatchedExecutor:
    return WatchedExecutor(ForkServerExecutor([None], train, ["tests.faults.tasks"]), limits)


def wait_for_process(guarded: WatchedExecutor, executor: ForkServerExecutor) -> int:
    """Return the process of task 0 when the fork server has created it."""

    def has_started() -> bool:
        assert guarded.wait(0.05) == []
        return 0 in executor.pids()

    wait_until(has_started)
    return executor.pids()[0]


def supervise(study: OptunaStudy, executor: Executor, trials: int = 1) -> bool:
    return Supervisor(study, executor, TrialSetting(PREPARED, STAMP, {}), []).run(trials)


@pytest.mark.usefixtures("light_fork_server")
@pytest.mark.parametrize(
    ("train", "limits", "epochs", "said"),
    [
        # The first epoch ends after the fork server and the child have started.
        (tasks.stopping, Limits(factor=0.1, least=0.5, unknown=PATIENCE), 1, "the epoch after the last finished one"),
        (tasks.silent, Limits(unknown=0.5), 0, "the first epoch did not finish"),
    ],
)
def test_a_trial_that_hangs_is_ended_with_the_cause_timeout(
    tmp_path: Path, train: TrainTask, limits: Limits, epochs: int, said: str
) -> None:
    started = time.monotonic()
    supervise(make_study(tmp_path / "demo"), watched(train, limits))
    (record,) = read_records(tmp_path / "demo")
    assert (record.state, record.reason, len(record.epochs)) == ("failed", "timeout", epochs)
    assert said in record.message
    assert time.monotonic() - started < PATIENCE


@pytest.mark.usefixtures("light_fork_server")
def test_a_trial_that_grows_beyond_its_memory_is_ended_with_the_cause_oom(tmp_path: Path) -> None:
    limit = 300 * 2**20
    supervise(make_study(tmp_path / "demo"), watched(tasks.growing, Limits(memory=limit)))
    (record,) = read_records(tmp_path / "demo")
    assert (record.state, record.reason) == ("failed", "oom")
    assert record.message.startswith("the trial's process used 0.")
    assert record.message.endswith(" GiB of memory; the limit is 0.29 GiB")


@pytest.mark.usefixtures("light_fork_server")
def test_a_trial_that_cannot_allocate_memory_fails_with_the_cause_oom(tmp_path: Path) -> None:
    supervise(make_study(tmp_path / "demo"), watched(tasks.beyond_the_address_space, Limits()))
    (record,) = read_records(tmp_path / "demo")
    assert (record.state, record.reason) == ("failed", "oom")
    assert "MemoryError" in record.message


@pytest.mark.usefixtures("light_fork_server")
@pytest.mark.parametrize(("retries", "state", "starts"), [(1, "failed", "2"), (2, "complete", "3")])
def test_a_trial_that_is_killed_repeatedly_has_the_retries_of_the_policy(
    tmp_path: Path, retries: int, state: str, starts: str
) -> None:
    space = make_space(search=f"sampler: random, failures: {{killed: {{retry: {retries}}}}}")
    supervise(make_study(tmp_path / "demo", space), watched(tasks.killed_twice, Limits()))
    (record,) = read_records(tmp_path / "demo")
    assert (record.number, record.state) == (0, state)
    assert (tmp_path / "demo" / "trials" / "0000" / "starts").read_text() == starts


@pytest.mark.usefixtures("light_fork_server")
def test_the_kernel_would_kill_a_trial_before_its_supervisor(tmp_path: Path) -> None:
    executor = ForkServerExecutor([None], tasks.silent, ["tests.faults.tasks"])
    guarded = WatchedExecutor(executor, Limits())
    try:
        guarded.submit(make_task(tmp_path), never_stop)
        pid = wait_for_process(guarded, executor)
        assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "500\n"
    finally:
        guarded.close()


class Scripted:
    """Two tasks whose epochs end when the test calls their callbacks."""

    workers = 2

    def __init__(self) -> None:
        self.callbacks: dict[int, OnEpoch] = {}
        self.ended: list[int] = []
        self.outcomes: list[Outcome] = []

    def submit(self, task: Task, on_epoch: OnEpoch) -> int:
        self.callbacks[task.number] = on_epoch
        return 0

    def wait(self, seconds: float) -> list[Outcome]:  # noqa: ARG002 - the interface's signature
        found, self.outcomes = self.outcomes, []
        for outcome in found:
            self.callbacks.pop(outcome.number)
        return found

    def pids(self) -> dict[int, int]:
        return dict.fromkeys(self.callbacks, os.getpid())

    def end(self, number: int, failure: TrialFailure) -> Outcome:
        self.callbacks.pop(number)
        self.ended.append(number)
        return Outcome(number, failure)

    def close(self) -> None:
        self.callbacks.clear()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def pass_seconds(executor: WatchedExecutor, clock: Clock, seconds: int) -> list[Outcome]:
    """Call `wait` every second; return all outcomes."""
    outcomes: list[Outcome] = []
    for _ in range(seconds):
        clock.now += 1
        outcomes += executor.wait(0)
    return outcomes


@pytest.fixture(autouse=True)
def oom_score(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The tasks of `Scripted` have the pid of the tests themselves, which the kernel must not kill first."""
    if "light_fork_server" not in request.fixturenames:
        monkeypatch.setattr(watchdog, "prefer_to_be_killed", ignore)


def test_an_epoch_may_take_ten_times_the_usual_and_no_more(tmp_path: Path) -> None:
    inner, clock = Scripted(), Clock()
    executor = WatchedExecutor(inner, Limits(factor=10, least=30, least_first=100, unknown=1000), clock)
    executor.submit(make_task(tmp_path, number=0), never_stop)
    for epoch in (1, 2, 3):
        assert pass_seconds(executor, clock, 5) == []
        inner.callbacks[0](metrics(epoch))
    assert pass_seconds(executor, clock, 50) == []
    (outcome,) = pass_seconds(executor, clock, 1)
    assert isinstance(outcome.ended, TrialFailure)
    assert (outcome.number, outcome.ended.cause) == (0, "timeout")
    assert outcome.ended.message == (
        "the epoch after the last finished one did not finish within 51 s; the limit is 50 s (see `search.watchdog`)"
    )
    assert inner.ended == [0]


def test_time_does_not_count_while_the_supervisor_itself_is_stopped(tmp_path: Path) -> None:
    inner, clock = Scripted(), Clock()
    executor = WatchedExecutor(inner, Limits(factor=10, least=30, least_first=100, unknown=20), clock)
    executor.submit(make_task(tmp_path, number=0), never_stop)
    clock.now += 3600
    assert executor.wait(0) == []  # the laptop lid was closed
    assert pass_seconds(executor, clock, 15) == []
    assert len(pass_seconds(executor, clock, 1)) == 1


def test_with_the_factor_0_there_is_no_time_limit(tmp_path: Path) -> None:
    inner, clock = Scripted(), Clock()
    executor = WatchedExecutor(inner, Limits(factor=0, least=1, least_first=1, unknown=1), clock)
    executor.submit(make_task(tmp_path, number=0), never_stop)
    assert pass_seconds(executor, clock, 100) == []


@pytest.mark.parametrize(
    ("own", "first", "seconds"),
    [
        ([], None, 21600.0),  # no epoch has finished
        ([], 20.0, 600.0),
        ([], 90.0, 900.0),
        ([30.0], 30.0, 300.0),
        ([30.0, 1.0, 1.0, 3.0], 30.0, 60.0),  # the first epoch does not count; `least` applies
        ([30.0, 9.0, 10.0, 200.0], 30.0, 100.0),
    ],
)
def test_how_long_a_trial_may_take_without_an_epoch(own: list[float], first: float | None, seconds: float) -> None:
    assert patience(own, first, Limits()) == seconds


def test_the_limits_are_those_of_the_space() -> None:
    assert limits_of(SearchConfig()) == Limits(factor=10.0, memory=None)
    assert limits_of(SearchConfig(watchdog=0.0, memory_limit="1.5G")) == Limits(factor=0.0, memory=1_610_612_736)


@pytest.mark.parametrize(("text", "size"), [("512K", 524_288), ("300M", 314_572_800), ("4G", 2**32), ("0.5T", 2**39)])
def test_sizes_are_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(("kills", "cause"), [([3, 4], "oom"), ([3, 3], "killed")])
def test_a_sigkill_is_attributed_to_the_kernel_if_its_count_has_grown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: list[int], cause: str
) -> None:
    before, after = kills
    monkeypatch.setattr(watchdog, "kernel_kills", lambda: before)
    inner = Scripted()
    executor = WatchedExecutor(inner, Limits())
    executor.submit(make_task(tmp_path, number=0), never_stop)
    executor.wait(0)
    monkeypatch.setattr(watchdog, "kernel_kills", lambda: after)
    inner.outcomes = [Outcome(0, TrialFailure("killed", "the trial's process was ended by SIGKILL"))]
    (outcome,) = executor.wait(0)
    assert isinstance(outcome.ended, TrialFailure)
    assert outcome.ended.cause == cause


def test_the_kernels_count_is_read_from_each_of_its_files() -> None:
    assert kills_in("low 0\nhigh 0\nmax 12\noom 2\noom_kill 5\noom_group_kill 0\n") == 5
    assert kills_in("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n") == 7
    assert kills_in("nr_free_pages 100\noom_kill 0\n") == 0
    assert kills_in("") is None
    assert _counters("9:name=systemd:/\n4:cpu,memory:/box\n0::/user.slice\n") == [
        Path("/sys/fs/cgroup/user.slice/memory.events"),
        Path("/sys/fs/cgroup/memory/box/memory.oom_control"),
    ]


def test_a_process_that_is_gone_uses_no_memory() -> None:
    assert resident(os.getpid()) > 10_000_000
    assert resident(2**22 + 1) == 0


@pytest.mark.usefixtures("light_fork_server")
def test_a_child_that_continues_in_time_is_not_ended(tmp_path: Path) -> None:
    executor = ForkServerExecutor([None], tasks.stopping, ["tests.faults.tasks"])
    watched_executor = WatchedExecutor(
        executor, Limits(factor=10, least=PATIENCE, least_first=PATIENCE, unknown=PATIENCE)
    )

    watched_executor.submit(make_task(tmp_path), never_stop)
    outcomes: list[Outcome] = []
    pid = wait_for_process(watched_executor, executor)

    def has_ended() -> bool:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        outcomes.extend(watched_executor.wait(0.1))
        return bool(outcomes)

    wait_until(has_ended)
    assert not isinstance(outcomes[0].ended, TrialFailure)
