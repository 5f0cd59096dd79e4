"""Processes end when the process that they work for ends.

When the supervisor is killed, the fork server must not keep importing TensorFlow while the next supervisor's server
does the same, and no process that it forked may outlive it unnoticed. On Linux the kernel ends them (`prctl(2)`,
PR_SET_PDEATHSIG). A trial depends only on the supervisor: it watches that process itself and survives the fork server.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing.connection import wait

_PR_SET_PDEATHSIG = 1
_parent = 0


def _note_parent() -> None:
    global _parent
    _parent = os.getpid()


def _end_with_parent() -> None:
    """Let the kernel kill this process when the thread that created it ends; exit now if it has ended already."""
    _set_parent_death_signal(signal.SIGKILL)
    if _parent and os.getppid() != _parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _set_parent_death_signal(number: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def die_with_parent() -> None:
    """Tie this process to its parent, and all processes that it forks to this one."""
    if sys.platform == "linux":
        _end_with_parent()
        os.register_at_fork(before=_note_parent, after_in_child=_end_with_parent)


def watch_supervisor() -> None:
    """Tie this child of the fork server to the supervisor, even in the middle of an epoch, not to the fork server."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), name="sweep-parent-death", daemon=True).start()
        if sys.platform == "linux":
            _set_parent_death_signal(0)


def _die_with(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGKILL)
