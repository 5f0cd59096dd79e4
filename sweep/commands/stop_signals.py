"""Being asked to stop: Ctrl-C, a stopped service, a closed terminal."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""The exit code, as shells have it for Ctrl-C."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequests:
    """True once a signal has come; the second one ends the process at once, or the run alone in a process not ours.

    While there is nothing to give back or to close, the first one ends it, too.

    Args:
        ours: the process does nothing else; a notebook has more to lose.

    Attributes:
        asked: a signal has come.
        graceful: there is something to give back: the first signal only asks.
    """

    def __init__(self, ours: bool = True) -> None:
        self._ours = ours
        self.asked = False
        self.graceful = False

    def __call__(self) -> bool:
        """Whether a signal has come."""
        return self.asked

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of handlers
        """Take a signal.

        Raises:
            SystemExit: there is nothing to give back.
            KeyboardInterrupt: the same, or the second one, in a process that is not ours.
        """
        again, self.asked = self.asked, True
        if again and self._ours:
            os._exit(INTERRUPTED)  # its children notice by themselves that it is gone
        if again or not self.graceful:
            raise SystemExit(INTERRUPTED) if self._ours else KeyboardInterrupt


@contextmanager
def stop_requests(ours: bool = True) -> Iterator[StopRequests]:
    """Take the signals until the end of the block; see `StopRequests`."""
    stop = StopRequests(ours)
    # Python takes signals in the main thread alone; elsewhere, say in a server's worker, they are not ours to take.
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, stop.handle) for number in (SIGNALS if main else ())}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
