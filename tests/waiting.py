"""Wait for another process or thread, on a machine that may be busy."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 300.0
"""Seconds until a test gives up; no test waits longer than it must."""


def wait_until(condition: Callable[[], object], pause: float = 0.01) -> None:
    """Return as soon as the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"what was waited for did not come within {PATIENCE:.0f} s"
        time.sleep(pause)
