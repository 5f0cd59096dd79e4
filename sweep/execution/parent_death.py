"""End each process together with the process that it works for.

When the supervisor is killed, its fork server must not continue to import TensorFlow next to the fork server of the
next supervisor, and no forked process must remain. On Linux the kernel ends these processes (`prctl(2)`,
PR_SET_PDEATHSIG). A child that trains must survive the fork server, so it watches the supervisor itself.
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
    """Let the kernel kill this process when its parent's thread ends; exit now if the parent has already ended."""
    _set_parent_death_signal(signal.SIGKILL)
    if _parent and os.getppid() != _parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _set_parent_death_signal(number: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def die_with_parent() -> None:
    """Let this process end with its parent, and let every process that it forks end with this process."""
    if sys.platform == "linux":
        _end_with_parent()
        os.register_at_fork(before=_note_parent, after_in_child=_end_with_parent)


def watch_supervisor() -> None:
    """End this child if the supervisor dies, even in the middle of an epoch, but not if the fork server dies."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), name="sweep-parent-death", daemon=True).start()
        if sys.platform == "linux":
            _set_parent_death_signal(0)


def _die_with(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGKILL)
