"""Waiting for what another process or thread does, on a machine that may be busy with something else."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 300.0
"""Seconds: not what something may take, but when a test gives up. Nothing waits longer than for what it waits for."""


def wait_until(condition: Callable[[], object], pause: float = 0.01) -> None:
    """Return as soon as the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"what was waited for did not come within {PATIENCE:.0f} s"
        time.sleep(pause)
