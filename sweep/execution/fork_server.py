"""The fork server as seen from the supervisor: started, waited for without being stuck, started again if it was killed.

`multiprocessing` starts it and notices by itself that it is gone, but its first request waits until the server has
imported everything, some eight seconds in which no signal would be answered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from queue import SimpleQueue

from sweep.execution.child_context import ChildContext
from sweep.records.environment import set_flags

PRELOAD = "sweep.execution.preload"
"""What the fork server imports."""
_PAUSE = 0.1
"""Seconds before the server is asked again."""
_PARENT_DEATH = "sweep.execution.parent_death_server"


def fork_context(preload: Sequence[str] = (PRELOAD,)) -> ForkServerContext:
    """The context for children of the fork server, which imports `preload` when it is started and no script."""
    set_flags()
    context = ChildContext()
    context.set_forkserver_preload([_PARENT_DEATH, *preload])
    return context


def current_server() -> int | None:
    """The pid of the fork server, which is started if it is not there or was killed."""
    forkserver.ensure_running()
    pid: int | None = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]  # there is no public way
    return pid


class ServerWatch:
    """Knows whether the fork server answers.

    A thread of its own asks it, by having a child made that does nothing. The thread lives as long as the process,
    because a server that it happens to start would be killed with it (see `parent_death`).
    """

    def __init__(self, context: ForkServerContext) -> None:
        self._context = context
        self._asked: int | None = None
        self._answered = threading.Event()
        self._questions: SimpleQueue[int | None] = SimpleQueue()
        threading.Thread(target=self._ask, name="sweep-fork-server", daemon=True).start()

    def is_ready(self, seconds: float) -> bool:
        """Whether the server, started if need be, answers within so many seconds."""
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
        """Whether a child could be made; not if it or the server was killed meanwhile."""
        child = self._context.Process(target=_nothing, daemon=True)
        try:
            child.start()
        except (OSError, EOFError):
            time.sleep(_PAUSE)
            return False
        child.join()
        return child.exitcode == 0


def _nothing() -> None:
    """What the child does that is only to tell that the server is there."""
