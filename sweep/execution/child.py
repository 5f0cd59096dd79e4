"""A trial's own process: load the images, train, report over a pipe. Light to import; see `preload`."""

from __future__ import annotations

import os
import signal
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TypeAlias

from sweep.errors import DataError, FailureCause, TrialFailure
from sweep.execution.executor import Task
from sweep.training.result import EpochMetrics, TrialResult

LOG_FILE = "log.txt"


@dataclass(frozen=True)
class Failed:
    """The message of a trial that failed: a `TrialFailure` in parts that can be pickled."""

    cause: FailureCause
    message: str
    traceback: str


Message: TypeAlias = EpochMetrics | TrialResult | Failed
"""What a child sends. Each `EpochMetrics` is answered by a bool: True means stop."""


def main(connection: Connection, task: Task, gpu: str | None) -> None:
    """Run a task.

    Args:
        connection: to the supervisor.
        task: what to train.
        gpu: index or UUID of the one GPU that this process may see; None where there is none.
    """
    # Ctrl-C goes to every process of the terminal; it is the supervisor who decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _redirect_output(task)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    try:
        connection.send(_run(connection, task))
    except (BrokenPipeError, EOFError, ConnectionResetError):
        # The supervisor is gone, so nobody wants the result.
        os._exit(1)


def _redirect_output(task: Task) -> None:
    task.folder.mkdir(parents=True, exist_ok=True)
    log = os.open(task.folder / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _run(connection: Connection, task: Task) -> Message:
    def on_epoch(metrics: EpochMetrics) -> bool:
        connection.send(metrics)
        return bool(connection.recv())

    try:
        return run_task(task, on_epoch)
    except TrialFailure as failure:
        return Failed(failure.cause, failure.message, failure.traceback)


def run_task(task: Task, on_epoch: object) -> TrialResult:
    """Load the data set and train; every exception becomes a `TrialFailure`, except a supervisor that is gone.

    Raises:
        TrialFailure: with the cause, and a bug's traceback.
    """
    try:
        # Here and not at the top, because the supervisor imports this module too, and it must not import TensorFlow.
        from sweep.data.loading import load
        from sweep.training.train import train

        dataset = load(task.prepared, task.config.data)
        return train(task.config, dataset, on_epoch, folder=task.folder)  # type: ignore[arg-type]
    except (TrialFailure, BrokenPipeError, EOFError, ConnectionResetError):
        raise
    except DataError as error:
        raise TrialFailure("data", str(error)) from error
    except Exception as error:
        raise TrialFailure(_cause(error), _first_line(error), traceback.format_exc()) from error


def _cause(error: Exception) -> FailureCause:
    """Out of memory has several names; TensorFlow's is told by its class's name, to import nothing here."""
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return "oom"
    return "bug"


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"
