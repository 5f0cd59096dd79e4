"""The work of a child: load the images, train, report over a pipe. Importing this module does not import TensorFlow."""

from __future__ import annotations

import fcntl
import functools
import logging
import os
import signal
import traceback
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import TypeAlias

from sweep.errors import DataError, FailureCause, ModelError, TrialFailure, WeightsError
from sweep.execution.executor import Task, TrainTask
from sweep.execution.parent_death import watch_supervisor
from sweep.records.held_file import HeldFile
from sweep.records.trial_result import EpochMetrics, OnEpoch, TrialResult

LOG_FILE = "log.txt"
LOST_FOLDER = os.EX_CANTCREAT
"""Exit code of a child whose trial's folder was moved, removed or replaced."""

Message: TypeAlias = EpochMetrics | TrialResult | TrialFailure
"""What a child sends. The supervisor answers each `EpochMetrics` with a bool: True stops the training."""


def child_main(connection: Connection, train: TrainTask, task: Task, gpu: str | None) -> None:
    """Run a task.

    Args:
        connection: a pipe to the supervisor.
        train: the function that does the work.
        task: the trial to train.
        gpu: index or UUID of the only GPU that this process may see; None without a GPU.
    """
    # Ctrl-C reaches every process of the terminal. Ignore it, because the supervisor decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch_supervisor()
    task = _open_log(task)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    message = _run(connection, train, task)
    try:
        connection.send(message)
    except OSError:
        os._exit(1)  # the supervisor is gone, so no process receives the result


def _open_log(task: Task) -> Task:
    """Redirect the output to the trial's log, lock the log, and return the task with the log among its held files."""
    task = replace(task, folder=task.folder.absolute())  # a user's model may change the working directory
    end_if_lost(task)  # before the log is created: it must not be created in another study's folder
    try:
        _redirect_output(task)
        log = _lock(task)
    except FileNotFoundError:
        os._exit(LOST_FOLDER)
    task = replace(task, held=(*task.held, log))
    end_if_lost(task)  # the folder may have been replaced while this process waited for the lock
    return task


def end_if_lost(task: Task) -> None:
    """End this process if the trial's folder is not the one that it started in; call this before each write.

    The process ends without an exception, because a user's model may catch any exception and continue.
    """
    if not all(file.is_in_place() for file in task.held):
        os._exit(LOST_FOLDER)


def _redirect_output(task: Task) -> None:
    """Append all output to the trial's log, after the output of its earlier starts."""
    log = os.open(task.folder / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger = logging.getLogger("sweep")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def _lock(task: Task) -> HeldFile:
    """Wait until no other process trains this trial: a child of a killed supervisor may need a moment to exit.

    The descriptor stays open to hold the lock, which the kernel releases when this process ends for any reason.
    """
    log = os.open(task.folder / LOG_FILE, os.O_WRONLY)
    fcntl.flock(log, fcntl.LOCK_EX)
    return HeldFile.of(log, task.folder / LOG_FILE)


def _run(connection: Connection, train: TrainTask, task: Task) -> Message:
    def on_epoch(metrics: EpochMetrics) -> bool:
        try:
            connection.send(metrics)
            return bool(connection.recv())
        except (EOFError, OSError):
            # The supervisor is gone. Caught here, because an EOFError of `train` may also come from a damaged file.
            os._exit(1)

    try:
        return train(task, on_epoch)
    except TrialFailure as failure:
        return failure
    except ModelError as error:
        return TrialFailure("bug", str(error).splitlines()[0], str(error))
    except (DataError, WeightsError) as error:
        return TrialFailure("data", str(error))
    except Exception as error:
        return TrialFailure(_cause(error), _first_line(error), traceback.format_exc())


def train_task(task: Task, on_epoch: OnEpoch) -> TrialResult:
    """Load the data set and train.

    Raises:
        TrialFailure: for a known cause.
        DataError: the images cannot be read.
    """
    # Imported here because the supervisor, which must not import TensorFlow, imports this module too.
    from sweep.data.loading import load
    from sweep.training.train import train

    dataset = load(task.prepared, task.config.data)
    return train(task.config, dataset, on_epoch, folder=task.folder, before_write=functools.partial(end_if_lost, task))


def _cause(error: Exception) -> FailureCause:
    """Recognize TensorFlow's out-of-memory error by its class name, because this module must not import TensorFlow."""
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return "oom"
    return "bug"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"
