"""A process ends with the supervisor that it works for. Imported first by the fork server.

When the supervisor is killed, the fork server must not go on importing TensorFlow beside the next supervisor's, and
what it has forked must not outlive it unknown. On Linux the kernel ends them (`prctl(2)`, PR_SET_PDEATHSIG). A trial
works for the supervisor alone: it notices by itself that this one is gone, and goes on without a fork server.
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
    """Have the kernel kill this process when the thread that made it ends; here at once if it has ended already."""
    _on_death_of_parent(signal.SIGKILL)
    if _parent and os.getppid() != _parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _on_death_of_parent(number: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def die_with_parent() -> None:
    """Tie this process to its parent, and to this process all that it forks."""
    if sys.platform == "linux":
        _end_with_parent()
        os.register_at_fork(before=_note_parent, after_in_child=_end_with_parent)


def watch_supervisor() -> None:
    """End this child of the fork server with the supervisor, also in the middle of an epoch, and no longer with the
    fork server.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), name="sweep-parent-death", daemon=True).start()
        if sys.platform == "linux":
            _on_death_of_parent(0)


def _die_with(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGKILL)
