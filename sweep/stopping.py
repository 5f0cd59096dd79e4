"""Being asked to stop: Ctrl-C, a stopped service, a closed terminal."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""The exit code, as shells have it for Ctrl-C."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequests:
    """True once a signal has come; the second one ends the process at once.

    While there is nothing to give back or to close, the first one ends it, too.

    Attributes:
        asked: a signal has come.
        graceful: there is something to give back: the first signal only asks.
    """

    def __init__(self) -> None:
        self.asked = False
        self.graceful = False

    def __call__(self) -> bool:
        """Whether a signal has come."""
        return self.asked

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of handlers
        """Take a signal.

        Raises:
            SystemExit: there is nothing to give back.
        """
        if self.asked:
            os._exit(INTERRUPTED)  # its children notice by themselves that it is gone
        self.asked = True
        if not self.graceful:
            raise SystemExit(INTERRUPTED)


@contextmanager
def stop_requests() -> Iterator[StopRequests]:
    """Take the signals until the end of the block."""
    stop = StopRequests()
    before = {number: signal.signal(number, stop.handle) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
