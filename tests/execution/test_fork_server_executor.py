"""What can happen to a child; without TensorFlow."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import forkserver as server
from pathlib import Path

import pytest

from sweep.errors import DataError, SweepError, TrialFailure
from sweep.execution import fork_server_executor
from sweep.execution.child_call import Stopped, call_in_child
from sweep.execution.fork_server_executor import ForkServerExecutor
from sweep.records.trial_result import EpochMetrics, TrialResult
from tests.execution.tasks import make_task, train
from tests.execution.test_executors import never_stop, outcomes, run
from tests.fakes import lock_file
from tests.waiting import PATIENCE, wait_until

PRELOAD = ["tests.execution.tasks"]
LIVING = ("R", "S", "D")

SUPERVISOR = """
import sys
from pathlib import Path
from sweep.execution.fork_server_executor import ForkServerExecutor
from tests.execution.tasks import endless, make_task, train

if __name__ == "__main__":
    behaviour = sys.argv[2]
    executor = ForkServerExecutor([None], endless if behaviour == "endless" else train, preload=[])
    executor.submit(make_task(Path(sys.argv[1]), "hang" if behaviour == "in an epoch" else "train"), lambda m: False)
    while True:
        executor.wait(0.1)
"""


@pytest.fixture
def executor(light_fork_server: None) -> Iterator[ForkServerExecutor]:  # noqa: ARG001 - a fixture that is needed
    executor = ForkServerExecutor([None, None], train, preload=PRELOAD)
    yield executor
    executor.close()


def failure(executor: ForkServerExecutor, folder: Path, behaviour: str) -> TrialFailure:
    ended = run(executor, make_task(folder, behaviour))
    assert isinstance(ended, TrialFailure)
    return ended


def pid_of_hanging(folder: Path, executor: ForkServerExecutor | None = None) -> int:
    """Wait until the child runs; `executor` creates it, unless another process does."""

    def has_started() -> bool:
        if executor is not None:
            executor.wait(0.0)
        return (folder / "pid").is_file() and bool((folder / "pid").read_text())

    wait_until(has_started)
    return int((folder / "pid").read_text())


def state(pid: int) -> str:
    """Return `R`, `S`, `Z` and so on, or `gone` if the process does not exist."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # ProcessLookupError: it ended while the file was read
        return "gone"


def until_gone(pid: int) -> None:
    wait_until(lambda: state(pid) in ("gone", "Z"))


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("exit", "the trial's process ended with exit code 3; its output is in {}"),
        (
            "kill",
            "the trial's process was ended by SIGKILL (often by the kernel's out-of-memory killer); its output is "
            "in {}",
        ),
        ("crash", "the trial's process was ended by SIGSEGV; its output is in {}"),
        ("nameless", f"the trial's process was ended by signal {signal.SIGRTMIN + 1}; its output is in {{}}"),
        ("half a message", "the trial's process ended with exit code 1; its output is in {}"),
    ],
)
def test_a_child_that_dies_ends_only_its_own_trial(
    executor: ForkServerExecutor, tmp_path: Path, behaviour: str, message: str
) -> None:
    executor.submit(make_task(tmp_path, behaviour, number=0), never_stop)
    executor.submit(make_task(tmp_path, "train", number=1), never_stop)
    ended = outcomes(executor, 2)
    assert isinstance(ended[1], TrialResult)
    assert isinstance(ended[0], TrialFailure)
    assert ended[0].cause == "killed"
    assert ended[0].message == message.format(tmp_path / "0000" / "log.txt")


def test_an_exception_is_a_bug_with_its_traceback(executor: ForkServerExecutor, tmp_path: Path) -> None:
    ended = failure(executor, tmp_path, "raise")
    assert (ended.cause, ended.message) == ("bug", "ValueError: no such layer")
    assert ended.traceback.startswith("Traceback (most recent call last):\n")
    assert ended.traceback.endswith("ValueError: no such layer\nand more about it\n")
    assert "in _raise" in ended.traceback


@pytest.mark.parametrize(
    ("behaviour", "cause", "message"),
    [
        ("memory", "oom", "MemoryError: "),
        ("tensor memory", "oom", "ResourceExhaustedError: OOM when allocating tensor with shape[64,32]"),
        ("torn images", "bug", "EOFError: No data left in file"),
        ("no images", "data", "the images are gone"),
    ],
)
def test_an_exception_is_classified_by_its_type(
    executor: ForkServerExecutor, tmp_path: Path, behaviour: str, cause: str, message: str
) -> None:
    ended = failure(executor, tmp_path, behaviour)
    assert (ended.cause, ended.message) == (cause, message)


def test_the_childs_output_is_in_its_log(executor: ForkServerExecutor, tmp_path: Path) -> None:
    run(executor, make_task(tmp_path, "speak"))
    assert (tmp_path / "0000" / "log.txt").read_text() == "to the log\nand errors too\n"


def test_an_interrupt_from_the_keyboard_leaves_the_child_alone(executor: ForkServerExecutor, tmp_path: Path) -> None:
    assert isinstance(run(executor, make_task(tmp_path, "interrupt")), TrialResult)


def test_a_child_sees_the_gpu_of_its_slot(light_fork_server: None, tmp_path: Path) -> None:  # noqa: ARG001
    executor = ForkServerExecutor(["GPU-a", "GPU-b"], train, preload=PRELOAD)
    for number in (0, 1):
        executor.submit(make_task(tmp_path, "gpu", number), never_stop)
    outcomes(executor, 2)
    assert [(tmp_path / name / "gpu").read_text() for name in ("0000", "0001")] == ["GPU-a", "GPU-b"]


def test_a_child_that_never_answers_blocks_no_other(executor: ForkServerExecutor, tmp_path: Path) -> None:
    executor.submit(make_task(tmp_path, "hang", number=0), never_stop)
    executor.submit(make_task(tmp_path, "train", number=1), never_stop)
    assert list(outcomes(executor, 1)) == [1]
    started = time.monotonic()
    assert executor.wait(0.05) == []
    assert time.monotonic() - started < PATIENCE


@pytest.mark.parametrize(("behaviour", "patience"), [("hang", 2 * PATIENCE), ("hang on", 0.2)])
def test_close_ends_children_even_if_they_ignore_signals(
    executor: ForkServerExecutor, tmp_path: Path, behaviour: str, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork_server_executor, "_PATIENCE", patience)
    executor.submit(make_task(tmp_path, behaviour), never_stop)
    pid = pid_of_hanging(tmp_path / "0000", executor)
    assert state(pid) in LIVING
    started = time.monotonic()
    executor.close()
    until_gone(pid)
    assert time.monotonic() - started < PATIENCE
    assert executor.wait(0.0) == []


@pytest.mark.parametrize("behaviour", ["endless", "in an epoch"])
def test_a_child_ends_at_once_when_its_supervisor_is_killed(tmp_path: Path, behaviour: str) -> None:
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path), behaviour]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as supervisor:
        pid = pid_of_hanging(tmp_path / "0000")
        fork_server = parent_of(pid)
        assert state(pid) in LIVING
        supervisor.kill()
    until_gone(pid)
    until_gone(fork_server)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def kill_the_server(pid: int, executor: ForkServerExecutor) -> None:
    """Kill the parent of a child, and wait until another server runs."""
    lost = parent_of(pid)
    os.kill(lost, signal.SIGKILL)

    def has_another_started() -> bool:
        executor.wait(0.01)
        return server._forkserver._forkserver_pid not in (lost, None)  # type: ignore[attr-defined]

    wait_until(has_another_started)


def test_children_of_a_killed_fork_server_continue(executor: ForkServerExecutor, tmp_path: Path) -> None:
    reported: list[int] = []

    def on_epoch(metrics: EpochMetrics) -> bool:
        reported.append(metrics.epoch)
        return False

    executor.submit(make_task(tmp_path, "wait for go"), on_epoch)
    pid = pid_of_hanging(tmp_path / "0000", executor)
    kill_the_server(pid, executor)
    (tmp_path / "0000" / "go").touch()

    assert isinstance(outcomes(executor, 1)[0], TrialResult)
    assert reported == [1, 2, 3, 4]
    assert (tmp_path / "0000" / "pid").read_text() == str(pid)


def test_the_next_child_comes_from_the_new_fork_server(executor: ForkServerExecutor, tmp_path: Path) -> None:
    executor.submit(make_task(tmp_path, "hang"), never_stop)
    pid = pid_of_hanging(tmp_path / "0000", executor)
    kill_the_server(pid, executor)

    executor.submit(make_task(tmp_path, number=1), never_stop)

    assert isinstance(outcomes(executor, 1)[1], TrialResult)
    assert state(pid) in LIVING


def test_a_child_that_is_killed_without_its_fork_server_starts_again(
    executor: ForkServerExecutor, tmp_path: Path
) -> None:
    executor.submit(make_task(tmp_path, "hang"), never_stop)
    pid = pid_of_hanging(tmp_path / "0000", executor)
    kill_the_server(pid, executor)
    (tmp_path / "0000" / "pid").unlink()

    os.kill(pid, signal.SIGKILL)

    again = pid_of_hanging(tmp_path / "0000", executor)
    assert again != pid
    assert state(again) in LIVING


@pytest.mark.parametrize("behaviour", ["hang", "hang on"])
def test_a_child_without_its_fork_server_can_be_ended(
    executor: ForkServerExecutor, tmp_path: Path, behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork_server_executor, "_PATIENCE", 0.2)
    executor.submit(make_task(tmp_path, behaviour), never_stop)
    executor.submit(make_task(tmp_path, behaviour, number=1), never_stop)
    first, second = (pid_of_hanging(tmp_path / name, executor) for name in ("0000", "0001"))
    held = multiprocessing.active_children()  # keep the objects: a child ends when its object is deleted
    kill_the_server(first, executor)
    assert not set(held) & set(multiprocessing.active_children())  # after this call, the children count as dead

    ended = executor.end(0, TrialFailure("timeout", "as asked for"))
    executor.close()

    assert (ended.number, str(ended.ended)) == (0, "timeout: as asked for")
    until_gone(first)
    until_gone(second)


def test_a_child_without_its_fork_server_ends_with_its_supervisor(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path), "in an epoch"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as supervisor:
        pid = pid_of_hanging(tmp_path / "0000")
        lost = parent_of(pid)
        os.kill(lost, signal.SIGKILL)
        until_gone(lost)
        time.sleep(0.2)
        assert state(pid) in LIVING
        supervisor.kill()
    until_gone(pid)


def test_a_fork_server_that_is_killed_repeatedly_stops_the_sweep(
    executor: ForkServerExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork_server_executor, "SERVER_STARTS", 1)
    executor.submit(make_task(tmp_path, "kill the server"), never_stop)
    with pytest.raises(SweepError, match="was killed 3 times in a row, and no trial finished an epoch"):
        outcomes(executor, 1)


def test_a_trial_that_another_process_trains_is_not_trained_twice(executor: ForkServerExecutor, tmp_path: Path) -> None:
    task = make_task(tmp_path)
    with (task.folder / "log.txt").open("w") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        executor.submit(task, never_stop)
        assert outcomes(executor, 1, seconds=1.0) == {}
    assert isinstance(outcomes(executor, 1)[0], TrialResult)


def replace_folder(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))
    folder.mkdir()


@pytest.mark.parametrize(
    ("disturb", "left"),
    [
        (lambda folder: folder.rename(folder.with_name("moved")), ["go", "moved", "moved/log.txt", "moved/pid"]),
        (shutil.rmtree, ["go"]),
        (replace_folder, ["0000", "go", "moved", "moved/log.txt", "moved/pid"]),
    ],
    ids=["moved", "removed", "replaced"],
)
def test_a_child_whose_folder_was_moved_ends_without_writing(
    executor: ForkServerExecutor, tmp_path: Path, disturb: Callable[[Path], object], left: list[str]
) -> None:
    task = make_task(tmp_path, "write after go")
    executor.submit(task, never_stop)
    while not (task.folder / "pid").exists():
        executor.wait(0.01)
    disturb(task.folder)
    (tmp_path / "go").touch()
    ended = outcomes(executor, 1)[0]

    assert isinstance(ended, TrialFailure)
    assert (ended.cause, ended.message) == (
        "killed",
        f"the trial's folder {task.folder} was moved, removed or replaced while it ran",
    )
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == left


def test_a_child_does_not_make_its_folder(executor: ForkServerExecutor, tmp_path: Path) -> None:
    task = make_task(tmp_path)
    task.folder.rmdir()
    ended = run(executor, task)

    assert isinstance(ended, TrialFailure)
    assert ended.message == f"the trial's folder {task.folder} was moved, removed or replaced while it ran"
    assert list(tmp_path.iterdir()) == []


def test_a_child_does_not_start_in_another_study_at_the_same_path(executor: ForkServerExecutor, tmp_path: Path) -> None:
    study = tmp_path / "demo"
    lock = lock_file(study)
    task = replace(make_task(study), held=(lock,))
    study.rename(tmp_path / "moved")
    lock_file(study)
    task.folder.mkdir()
    ended = run(executor, task)

    assert isinstance(ended, TrialFailure)
    assert ended.message == f"the trial's folder {task.folder} was moved, removed or replaced while it ran"
    assert list(task.folder.iterdir()) == []


def test_a_child_whose_folder_was_replaced_while_it_waited_for_the_log_does_not_start(
    executor: ForkServerExecutor, tmp_path: Path
) -> None:
    task = make_task(tmp_path)
    with (task.folder / "log.txt").open("w") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        executor.submit(task, never_stop)
        assert outcomes(executor, 1, seconds=1.0) == {}
        replace_folder(task.folder)
    assert isinstance(outcomes(executor, 1)[0], TrialFailure)
    assert list(task.folder.iterdir()) == []


def test_the_log_of_an_earlier_start_is_kept(executor: ForkServerExecutor, tmp_path: Path) -> None:
    for _ in range(2):
        run(executor, make_task(tmp_path, "speak"))
    assert (tmp_path / "0000" / "log.txt").read_text() == "to the log\nand errors too\n" * 2


def test_a_child_killed_at_any_epoch_resumes_from_its_checkpoint(executor: ForkServerExecutor, tmp_path: Path) -> None:
    reported: list[int] = []
    task = make_task(tmp_path, "killed at every epoch")

    def on_epoch(metrics: EpochMetrics) -> bool:
        reported.append(metrics.epoch)
        return False

    ended: list[TrialResult | TrialFailure] = []
    for _ in range(5):
        executor.submit(task, on_epoch)
        ended += outcomes(executor, 1).values()

    assert [type(one) for one in ended] == [TrialFailure] * 4 + [TrialResult]
    assert reported == [1, 1, 2, 1, 2, 3, 1, 2, 3, 4, 1, 2, 3, 4]
    assert isinstance(ended[-1], TrialResult)
    assert [metrics.val_accuracy for metrics in ended[-1].epochs] == [0.25, 0.375, 0.4375, 0.46875]
    assert "resumes after epoch 3" in (task.folder / "log.txt").read_text()


def test_fifty_tasks_leave_neither_zombies_nor_open_files(executor: ForkServerExecutor, tmp_path: Path) -> None:
    run(executor, make_task(tmp_path))
    before = len(os.listdir("/proc/self/fd"))
    for first in range(0, 50, 2):
        for number in (first, first + 1):
            executor.submit(make_task(tmp_path, "train" if number % 5 else "exit", number), never_stop)
        assert len(outcomes(executor, 2)) == 2
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    parent = server._forkserver._forkserver_pid  # type: ignore[attr-defined]
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    assert [state(int(pid)) for pid in children if state(int(pid)) != "gone"] == []


def test_a_call_in_a_child_returns_its_result(light_fork_server: None, capfd: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    assert call_in_child("tests.execution.tasks:add", 2, 3) == 5
    assert capfd.readouterr().out == ""


def test_a_call_that_fails_raises_its_traceback(light_fork_server: None) -> None:  # noqa: ARG001
    with pytest.raises(SweepError, match=r"(?s)^Traceback .* in fail\n.*ValueError: on purpose"):
        call_in_child("tests.execution.tasks:fail")


def test_a_call_whose_child_dies_raises_the_exit_code(light_fork_server: None) -> None:  # noqa: ARG001
    with pytest.raises(SweepError, match=r"^the child process ended with exit code 7$"):
        call_in_child("tests.execution.tasks:leave")


def test_user_errors_and_trial_failures_are_raised_unchanged(
    light_fork_server: None,  # noqa: ARG001
) -> None:
    with pytest.raises(DataError, match=r"^no such images$"):
        call_in_child("tests.execution.tasks:refuse")
    with pytest.raises(TrialFailure, match=r"^nan: the loss was not finite$"):
        call_in_child("tests.execution.tasks:diverge")


def test_a_call_can_be_stopped(light_fork_server: None, tmp_path: Path) -> None:  # noqa: ARG001
    mark = tmp_path / "runs"

    with pytest.raises(Stopped, match=r"tasks:wait_long was stopped"):
        call_in_child("tests.execution.tasks:wait_long", mark, stop=mark.exists)
    assert call_in_child("tests.execution.tasks:add", 2, 3, stop=lambda: False) == 5
