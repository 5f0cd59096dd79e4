"""One child process per trial, forked from a server that has imported TensorFlow once.

Forking takes 15 ms, importing TensorFlow takes seconds. A child's end frees all its memory; a crash affects one trial.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess

import psutil

from sweep.errors import SweepError, TrialFailure
from sweep.execution import child
from sweep.execution.executor import Outcome, Task, TrainTask
from sweep.execution.fork_server import PRELOAD, ServerWatch, current_server, fork_context
from sweep.records.trial_result import EpochMetrics, OnEpoch, TrialResult

_PATIENCE = 2.0
"""Seconds that a child has to end after SIGTERM before it is killed."""
_PAUSE = 0.01
"""Seconds between two checks of a process that should end."""
_UNKNOWN_EXIT = 255
"""Exit code that `multiprocessing` reports for a child whose fork server is gone."""
SERVER_STARTS = 5
"""Number of times, per worker, that the fork server may be killed in a row while no child sends a message."""


@dataclass(frozen=True)
class _Running:
    task: Task
    process: ForkServerProcess
    connection: Connection
    on_epoch: OnEpoch
    server: int | None
    known: psutil.Process | None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the child. Unlike in `multiprocessing`, this also works if the fork server is gone."""
        if self.known is None:
            self.process.kill()
            return
        with suppress(psutil.NoSuchProcess):
            self.known.send_signal(number)

    def join(self) -> None:
        """Wait until the process is gone; kill it if that takes long."""
        self.process.join(_PATIENCE)
        if not _wait_until(self._is_gone, _PATIENCE if self.process.exitcode is not None else 0.0):
            self.signal(signal.SIGKILL)
            self.process.join()
            _wait_until(self._is_gone, _PATIENCE)

    def _is_gone(self) -> bool:
        if self.known is None:
            return self.process.exitcode is not None
        try:
            return not self.known.is_running() or self.known.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:  # the process ended between the two checks
            return True


def warm_up() -> None:
    """Start the fork server, which imports TensorFlow while this process does other things."""
    fork_context()
    current_server()


class ForkServerExecutor:
    """Runs each task in a separate process.

    If the fork server is killed, another server is started and the children continue. But their exit codes are then
    unknown: if one of these children ends without a message, its task starts again and resumes from its checkpoint.

    Args:
        slots: one entry per worker: the GPU that it uses, or None.
        train: the function that does the work in the child; pickled by name, so it must be a function of a module.
        preload: modules that the fork server imports once; only the first executor of a process can choose them.
    """

    def __init__(
        self,
        slots: Sequence[str | None],
        train: TrainTask = child.train_task,
        preload: Sequence[str] = (PRELOAD,),
    ) -> None:
        self._context = fork_context(preload)
        self._watch = ServerWatch(self._context)
        self._slots = list(slots)
        self._train = train
        self._running: dict[int, _Running] = {}
        self._waiting: dict[int, tuple[Task, OnEpoch]] = {}
        self._lost_servers = 0

    @property
    def workers(self) -> int:
        """The number of tasks that can run at a time."""
        return len(self._slots)

    def submit(self, task: Task, on_epoch: OnEpoch) -> int:
        """Assign the task to the first free worker; its child is created as soon as the fork server answers."""
        worker = next(i for i in range(len(self._slots)) if i not in self._running and i not in self._waiting)
        self._waiting[worker] = (task, on_epoch)
        return worker

    def wait(self, seconds: float) -> list[Outcome]:
        """Create children and process what they report; return the outcomes of the tasks that have ended.

        Raises:
            SweepError: the fork server is killed repeatedly.
        """
        if self._waiting and self._watch.is_ready(0.0 if self._running else seconds):
            self._create_children()
        if self._running:
            with suppress(OSError):  # such as too little memory; `_create_children` raises a lasting error
                current_server()  # replaces a killed server before the next child needs it
        by_connection = {running.connection: worker for worker, running in self._running.items()}
        ready = wait(list(by_connection), timeout=seconds if by_connection else 0.0)
        outcomes = [self._serve(by_connection[connection]) for connection in ready]  # type: ignore[index]
        return [outcome for outcome in outcomes if outcome is not None]

    def _create_children(self) -> None:
        for worker, (task, on_epoch) in list(self._waiting.items()):
            ours, theirs = self._context.Pipe()
            process = self._context.Process(
                target=child.child_main,
                args=(theirs, self._train, task, self._slots[worker]),
                name=f"trial-{task.number}",
                daemon=True,
            )
            server = current_server()
            try:
                process.start()
            except (OSError, EOFError):  # the server was just killed
                ours.close()
                self._count_lost_server()
                return
            finally:
                theirs.close()
            del self._waiting[worker]
            self._running[worker] = _Running(task, process, ours, on_epoch, server, _known(process))

    def _serve(self, worker: int) -> Outcome | None:
        running = self._running[worker]
        try:
            message: child.Message = running.connection.recv()
        except (EOFError, OSError):  # OSError: the child died in the middle of a message
            return self._died(worker)
        self._lost_servers = 0
        if isinstance(message, EpochMetrics):
            stop = running.on_epoch(message)
            try:
                running.connection.send(stop)
            except OSError:
                return self._died(worker)
            return None
        return self._end(worker, message)

    def _died(self, worker: int) -> Outcome | None:
        """Return the outcome of a child that ended without a message; restart its task if the server is gone too."""
        running = self._running[worker]
        running.process.join(_PATIENCE)
        unknown = running.process.exitcode == _UNKNOWN_EXIT and _is_lost(running.server)
        outcome = self._end(worker, _death(running))
        if not unknown:
            return outcome
        self._waiting[worker] = (running.task, running.on_epoch)
        self._count_lost_server()
        return None

    def _count_lost_server(self) -> None:
        self._lost_servers += 1
        if self._lost_servers > SERVER_STARTS * len(self._slots):
            raise SweepError(
                f"the process that starts the trials was killed {self._lost_servers} times in a row, and no trial "
                "finished an epoch in between; check whether memory is short, and run the same command again"
            )

    def _end(self, worker: int, ended: TrialResult | TrialFailure) -> Outcome:
        running = self._running.pop(worker)
        running.connection.close()
        running.join()
        return Outcome(running.task.number, ended)

    def pids(self) -> dict[int, int]:
        """The running processes, by task number."""
        return {running.task.number: running.process.pid for running in self._running.values() if running.process.pid}

    def end(self, number: int, failure: TrialFailure) -> Outcome:
        """Kill the child of a running task and return the task's outcome: `failure`."""
        worker = next(worker for worker, running in self._running.items() if running.task.number == number)
        self._running[worker].signal(signal.SIGKILL)
        return self._end(worker, failure)

    def close(self) -> None:
        """Kill the children; the fork server ends with this process."""
        self._waiting.clear()
        for running in self._running.values():
            running.signal(signal.SIGTERM)
        for running in self._running.values():
            running.join()
            running.connection.close()
        self._running.clear()


def _known(process: ForkServerProcess) -> psutil.Process | None:
    """Return the process, identified by pid and start time because a pid may be reused; None if the process is gone."""
    try:
        return psutil.Process(process.pid)
    except psutil.NoSuchProcess:
        return None


def _is_lost(server: int | None) -> bool:
    """True if the fork server is gone or dies in the next 2 s, as it may soon after its child; starts a new server."""
    return _wait_until(lambda: current_server() != server, _PATIENCE)


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition; False if it is still not met after this time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(_PAUSE)
    return True


def _death(running: _Running) -> TrialFailure:
    """Return the failure of a child that ended without a message."""
    code = running.process.exitcode
    how = f"ended with exit code {code}"
    if code == child.LOST_FOLDER:
        folder = running.task.folder
        return TrialFailure("killed", f"the trial's folder {folder} was moved, removed or replaced while it ran")
    if code is not None and code < 0:
        name = _signal_name(-code)
        how = f"was ended by {name}" + (" (often by the kernel's out-of-memory killer)" if name == "SIGKILL" else "")
    return TrialFailure("killed", f"the trial's process {how}; its output is in {running.task.folder / child.LOG_FILE}")


def _signal_name(number: int) -> str:
    """Return a name like `SIGSEGV`, or the number of a signal between SIGRTMIN and SIGRTMAX, which has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
