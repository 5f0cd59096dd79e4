"""Handle the signals to stop: Ctrl-C, a stopped service, a closed terminal."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""Exit code after Ctrl-C, as in shells."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequests:
    """Receives the signals to stop; calling the object returns whether one has arrived.

    While `graceful` is True, the first signal only sets `asked`; otherwise it ends the run. A second signal always ends
    the run: the process exits if it only runs this command; otherwise, as in a notebook, KeyboardInterrupt is raised.

    Args:
        ours: True if the process only runs this command.

    Attributes:
        asked: True once a signal has arrived.
        graceful: True while the run has trials that it must record before it ends.
    """

    def __init__(self, ours: bool = True) -> None:
        self._ours = ours
        self.asked = False
        self.graceful = False

    def __call__(self) -> bool:
        """Return True if a signal has arrived."""
        return self.asked

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of handlers
        """Handle a signal.

        Raises:
            SystemExit: to end a process that only runs this command.
            KeyboardInterrupt: to end the run in another process.
        """
        again, self.asked = self.asked, True
        if again and self._ours:
            os._exit(INTERRUPTED)  # the children exit when their parent dies
        if again or not self.graceful:
            raise SystemExit(INTERRUPTED) if self._ours else KeyboardInterrupt


@contextmanager
def stop_requests(ours: bool = True) -> Iterator[StopRequests]:
    """Handle signals until the end of the block; see `StopRequests`."""
    stop = StopRequests(ours)
    # Python allows signal handlers only in the main thread; elsewhere, as in a server's worker, signals stay unhandled.
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, stop.handle) for number in (SIGNALS if main else ())}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
