"""One child process per trial, forked from a server that has imported TensorFlow once.

A fork takes some 15 ms where an import takes seconds; a dead child gives back all its memory; a crash takes one trial.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess

from sweep.errors import TrialFailure
from sweep.execution import child
from sweep.execution.context import ChildContext
from sweep.execution.executor import Outcome, Task, TrainTask
from sweep.training.environment import set_flags
from sweep.training.result import EpochMetrics, OnEpoch, TrialResult

PRELOAD = "sweep.execution.preload"
"""What the fork server imports."""
_PATIENCE = 2.0
"""Seconds that a child has to end after SIGTERM before it is killed."""


@dataclass(frozen=True)
class _Running:
    task: Task
    process: ForkServerProcess
    connection: Connection
    on_epoch: OnEpoch


def warm_up() -> None:
    """Start the fork server, which begins to import TensorFlow while this process does other things."""
    set_flags()
    multiprocessing.get_context("forkserver").set_forkserver_preload([PRELOAD])
    forkserver.ensure_running()


class ForkServerExecutor:
    """Runs each task in a process of its own.

    Args:
        slots: one entry per worker; the GPU that it uses, or None.
        train: does the work in the child; a function of a module, because it is sent by its name.
        preload: modules that the fork server imports once; counts for the first executor of a process.
    """

    def __init__(
        self,
        slots: Sequence[str | None],
        train: TrainTask = child.train_task,
        preload: Sequence[str] = (PRELOAD,),
    ) -> None:
        set_flags()
        self._context = ChildContext()
        self._context.set_forkserver_preload(list(preload))
        self._slots = list(slots)
        self._train = train
        self._running: dict[int, _Running] = {}

    @property
    def workers(self) -> int:
        """How many tasks run at a time."""
        return len(self._slots)

    def submit(self, task: Task, on_epoch: OnEpoch) -> int:
        """Fork a child for the task, on the first free worker."""
        worker = next(index for index in range(len(self._slots)) if index not in self._running)
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=child.main,
            args=(theirs, self._train, task, self._slots[worker]),
            name=f"trial-{task.number}",
            daemon=True,
        )
        process.start()
        theirs.close()
        self._running[worker] = _Running(task, process, ours, on_epoch)
        return worker

    def wait(self, seconds: float) -> list[Outcome]:
        """Answer the children's epochs; return the tasks that have ended."""
        by_connection = {running.connection: worker for worker, running in self._running.items()}
        ended: list[Outcome] = []
        for ready in wait(list(by_connection), timeout=seconds):
            outcome = self._serve(by_connection[ready])  # type: ignore[index]  # what we put in comes out
            if outcome is not None:
                ended.append(outcome)
        return ended

    def _serve(self, worker: int) -> Outcome | None:
        running = self._running[worker]
        try:
            message: child.Message = running.connection.recv()
        except (EOFError, OSError):  # OSError: it died in the middle of a message
            return self._end(worker, _died(running))
        if isinstance(message, EpochMetrics):
            stop = running.on_epoch(message)
            try:
                running.connection.send(stop)
            except OSError:
                return self._end(worker, _died(running))
            return None
        if isinstance(message, child.Failed):
            return self._end(worker, TrialFailure(message.cause, message.message, message.traceback))
        return self._end(worker, message)

    def _end(self, worker: int, ended: TrialResult | TrialFailure) -> Outcome:
        running = self._running.pop(worker)
        running.connection.close()
        _join(running.process)
        return Outcome(running.task.number, ended)

    def close(self) -> None:
        """Kill the children; the fork server ends with this process."""
        for running in self._running.values():
            running.process.terminate()
        for running in self._running.values():
            _join(running.process)
            running.connection.close()
        self._running.clear()


def _join(process: ForkServerProcess) -> None:
    process.join(_PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()


def _died(running: _Running) -> TrialFailure:
    """The failure of a child that is gone without a word."""
    running.process.join(_PATIENCE)
    code = running.process.exitcode
    log = running.task.folder / child.LOG_FILE
    if code is not None and code < 0:
        name = _signal_name(-code)
        hint = "; often the kernel's out-of-memory killer" if name == "SIGKILL" else ""
        return TrialFailure("killed", f"the trial's process was ended by {name}{hint}; its output is in {log}")
    return TrialFailure("killed", f"the trial's process ended with exit code {code}; its output is in {log}")


def _signal_name(number: int) -> str:
    """`SIGSEGV`; a number for those between SIGRTMIN and SIGRTMAX, which have no names."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
