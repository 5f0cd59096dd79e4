"""The work of a child: load the images, train, report over a pipe. Importing this module does not import TensorFlow."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import traceback
from multiprocessing.connection import Connection
from typing import TypeAlias

from sweep.errors import DataError, FailureCause, ModelError, TrialFailure, WeightsError
from sweep.execution.executor import Task, TrainTask
from sweep.execution.parent_death import watch_supervisor
from sweep.records.trial_result import EpochMetrics, OnEpoch, TrialResult

LOG_FILE = "log.txt"


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
    _redirect_output(task)
    _lock(task)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    message = _run(connection, train, task)
    try:
        connection.send(message)
    except OSError:
        os._exit(1)  # the supervisor is gone, so no process receives the result


def _redirect_output(task: Task) -> None:
    """Append all output to the trial's log, after the output of its earlier starts."""
    task.folder.mkdir(parents=True, exist_ok=True)
    log = os.open(task.folder / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger = logging.getLogger("sweep")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def _lock(task: Task) -> None:
    """Wait until no other process trains this trial: a child of a killed supervisor may need a moment to exit.

    The descriptor stays open to hold the lock, which the kernel releases when this process ends for any reason.
    """
    log = os.open(task.folder / LOG_FILE, os.O_WRONLY)
    fcntl.flock(log, fcntl.LOCK_EX)


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

    return train(task.config, load(task.prepared, task.config.data), on_epoch, folder=task.folder)


def _cause(error: Exception) -> FailureCause:
    """Recognize TensorFlow's out-of-memory error by its class name, because this module must not import TensorFlow."""
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return "oom"
    return "bug"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"
