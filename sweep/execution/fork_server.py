"""The fork server: start it without importing the user's script, wait until it answers, replace it if it was killed.

`multiprocessing` starts the server and notices when it is gone. But the first request blocks until the server has
imported everything, about eight seconds without a reaction to signals. So `ServerWatch` sends this request in a thread.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from multiprocessing import forkserver, spawn
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any

from sweep.records.environment import set_flags

PRELOAD = "sweep.execution.preload"
"""The module that the fork server imports."""
_START = "sweep.execution.fork_server_start"
_PAUSE = 0.1
"""Seconds until the next attempt to create a child."""
_SCRIPT_KEYS = ("init_main_from_name", "init_main_from_path")
"""Keys under which `multiprocessing` sends a child the name of the main module (CPython 3.4 to 3.14)."""
_original_preparation_data = spawn.get_preparation_data
_starting = threading.local()


def _preparation_data(name: str) -> dict[str, Any]:
    """Return the data that a child receives at its start; children of `ChildContext` receive no main module."""
    data = _original_preparation_data(name)
    if getattr(_starting, "ours", False):
        for key in _SCRIPT_KEYS:
            data.pop(key, None)
    return data


class _Process(ForkServerProcess):
    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:
        # `multiprocessing` has no public option to omit the main module. Removing `__main__` from `sys.modules` would
        # omit it, but the user's other threads would miss `__main__` until the server has imported TensorFlow.
        spawn.get_preparation_data = _preparation_data
        _starting.ours = True
        try:
            return ForkServerProcess._Popen(process_obj)
        finally:
            _starting.ours = False


class ChildContext(ForkServerContext):
    """The "forkserver" context of `multiprocessing`, but its children do not import the main module.

    `multiprocessing` lets every child import the main module of its parent, so that the child can call its functions.
    Children of sweep do not need this, and a script that calls `sweep.run` without `if __name__ == "__main__":` would
    start another sweep in each trial.
    """

    Process = _Process


def fork_context(preload: Sequence[str] = (PRELOAD,)) -> ForkServerContext:
    """Return the context for children of the fork server, which imports the modules `preload` when it starts."""
    set_flags()
    context = ChildContext()
    context.set_forkserver_preload([_START, *preload])
    return context


def discard_output() -> None:
    """Discard all that this process and its children write to standard output and standard error."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    os.close(devnull)


def current_server() -> int | None:
    """Return the pid of the fork server; start one if there is none or if it was killed."""
    forkserver.ensure_running()
    pid: int | None = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]  # mypy: private name
    return pid


class ServerWatch:
    """Finds out whether the fork server answers, by letting it create a child that does nothing.

    This happens in a separate thread. The thread lives as long as the process, because the kernel kills a server when
    the thread that started it ends (see `parent_death`).
    """

    def __init__(self, context: ForkServerContext) -> None:
        self._context = context
        self._asked: int | None = None
        self._answered = threading.Event()
        self._questions: SimpleQueue[int | None] = SimpleQueue()
        threading.Thread(target=self._ask, name="sweep-fork-server", daemon=True).start()

    def is_ready(self, seconds: float) -> bool:
        """True if the server answers within this time; starts the server if necessary."""
        server = current_server()
        if server != self._asked:
            self._answered.clear()
            self._asked = server
            self._questions.put(server)
        return self._answered.wait(seconds)

    def _ask(self) -> None:
        while True:
            server = self._questions.get()
            answered = False
            while server == self._asked and not answered:
                answered = self._answers()
            if server == self._asked:
                self._answered.set()

    def _answers(self) -> bool:
        """True if a child was created; False if the child or the server was killed meanwhile."""
        child = self._context.Process(target=os.getpid, daemon=True)
        try:
            child.start()
        except (OSError, EOFError):
            time.sleep(_PAUSE)
            return False
        child.join()
        return child.exitcode == 0
