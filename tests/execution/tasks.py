"""What children do in these tests. The name of the task's data set selects it, because a child receives only a task."""

# ruff: noqa: ARG001 - behaviours share one signature

from __future__ import annotations

import gc
import logging
import os
import signal
import struct
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from sweep.errors import DataError, TrialFailure
from sweep.execution.child import end_if_lost
from sweep.execution.executor import Task
from sweep.records.checkpoint import Checkpoint, checkpoints, write_checkpoint
from sweep.records.trial_result import EpochMetrics, OnEpoch, TrialResult
from sweep.space.config import DataConfig
from tests.fakes import CONFIG, PREPARED, FakeTrain, fake_epoch, fake_result
from tests.waiting import wait_until


def make_task(folder: Path, behaviour: str = "train", number: int = 0) -> Task:
    """Return a task of four epochs with a behaviour from `BEHAVIOURS`; make its folder."""
    config = replace(CONFIG, data=DataConfig(name=behaviour))
    task = Task(number, config, PREPARED, folder / f"{number:04d}")
    task.folder.mkdir(exist_ok=True)
    return task


def train(task: Task, on_epoch: OnEpoch) -> TrialResult:
    """Do what the name of the task's data set selects."""
    name = task.config.data.name
    if name in BEHAVIOURS:
        BEHAVIOURS[name](task)
    if name in ("killed at every epoch", "cut off at every epoch"):
        return _one_epoch(task, on_epoch)
    if name.startswith("failure:"):
        raise TrialFailure(name.removeprefix("failure:"), "as asked for", "Traceback of it")  # type: ignore[arg-type]
    return FakeTrain()(task, on_epoch)


def _one_epoch(task: Task, on_epoch: OnEpoch) -> TrialResult:
    """Compute one epoch and die; like `sweep.training.train`, write the checkpoint before the report."""
    epochs: list[EpochMetrics] = []
    for checkpoint in checkpoints(task.folder, "owner"):
        epochs = list(checkpoint.epochs)
        for metrics in epochs:
            on_epoch(metrics)
        logging.getLogger("sweep.training").info("resumes after epoch %d", checkpoint.epoch)
        break
    if len(epochs) == task.config.training.epochs:
        return fake_result(task.config, epochs, stopped=False)
    epochs.append(fake_epoch(task.config, len(epochs) + 1))
    write_checkpoint(task.folder, Checkpoint(tuple(epochs), ()), "owner")
    on_epoch(epochs[-1])
    if task.config.data.name == "killed at every epoch":
        os.kill(os.getpid(), signal.SIGKILL)
    raise TrialFailure("killed", "cut off")


def _kill_the_server(task: Task) -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    os._exit(1)


def _wait_for_go(task: Task) -> None:
    (task.folder / "pid").write_text(str(os.getpid()))
    wait_until((task.folder / "go").exists)


def _write_after_go(task: Task) -> None:
    """Wait for a file next to the folder, then write a checkpoint as `sweep.training.train` does."""
    (task.folder / "pid").write_text(str(os.getpid()))
    wait_until((task.folder.parent / "go").exists)
    end_if_lost(task)
    write_checkpoint(task.folder, Checkpoint((fake_epoch(task.config, 1),), ()), "owner")


def _exit(task: Task) -> None:
    os._exit(3)


def _kill(task: Task) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _crash(task: Task) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _nameless(task: Task) -> None:
    os.kill(os.getpid(), signal.SIGRTMIN + 1)


def _interrupt(task: Task) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def _raise(task: Task) -> None:
    raise ValueError("no such layer\nand more about it")


def _out_of_memory(task: Task) -> None:
    raise MemoryError


def _tensor_out_of_memory(task: Task) -> None:
    raise type("ResourceExhaustedError", (Exception,), {})("OOM when allocating tensor with shape[64,32]")


def _torn_images(task: Task) -> None:
    raise EOFError("No data left in file")


def _no_images(task: Task) -> None:
    raise DataError("the images are gone")


def _hang(task: Task) -> None:
    (task.folder / "pid").write_text(str(os.getpid()))
    time.sleep(3600)


def _hang_on(task: Task) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _hang(task)


def _speak(task: Task) -> None:
    os.write(1, b"to the log\n")
    os.write(2, b"and errors too\n")


def _tell_gpu(task: Task) -> None:
    (task.folder / "gpu").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "unset"))


def _half_a_message(task: Task) -> None:
    """Announce 1,000 bytes, send one and die."""
    for connection in [item for item in gc.get_objects() if isinstance(item, Connection)]:
        if connection.writable and not connection.closed:
            os.write(connection.fileno(), struct.pack("!i", 1000) + b"x")
    os._exit(1)


def _rendezvous(task: Task) -> None:
    """Wait until the folder's other task runs too."""
    (task.folder / "here").touch()
    wait_until(lambda: len(list(task.folder.parent.glob("*/here"))) == 2)


BEHAVIOURS = {
    "kill the server": _kill_the_server,
    "wait for go": _wait_for_go,
    "write after go": _write_after_go,
    "exit": _exit,
    "kill": _kill,
    "crash": _crash,
    "nameless": _nameless,
    "interrupt": _interrupt,
    "raise": _raise,
    "memory": _out_of_memory,
    "tensor memory": _tensor_out_of_memory,
    "torn images": _torn_images,
    "no images": _no_images,
    "hang": _hang,
    "hang on": _hang_on,
    "speak": _speak,
    "gpu": _tell_gpu,
    "half a message": _half_a_message,
    "rendezvous": _rendezvous,
}


def add(first: int, second: int) -> int:
    """For `call_in_child`."""
    print("noise of the child")
    return first + second


def fail() -> None:
    """For `call_in_child`."""
    raise ValueError("on purpose")


def leave() -> None:
    """For `call_in_child`."""
    os._exit(7)


def refuse() -> None:
    """Raise an error that the user can fix."""
    raise DataError("no such images")


def diverge() -> None:
    """Fail as training does."""
    raise TrialFailure("nan", "the loss was not finite")


def wait_long(mark: Path) -> None:
    """Create the file, then do nothing for an hour."""
    mark.touch()
    time.sleep(3600)


def endless(task: Task, on_epoch: OnEpoch) -> TrialResult:
    """Report epochs until the supervisor is gone; write the pid into the folder."""
    (task.folder / "pid").write_text(str(os.getpid()))
    epochs = [EpochMetrics(1, 0.5, 0.5, 0.5, 0.5, 0.01, 1.0)]
    while not on_epoch(epochs[0]):
        time.sleep(0.01)
    return fake_result(task.config, epochs, stopped=True)
