"""How this program was called, so that what it says to type next works where it was typed."""

from __future__ import annotations

import os

CALLED_AS = "SWEEP_CALLED_AS"
"""Set by `scripts/sweep` to what the user typed for it; its Python is not on the user's path."""


def called_as() -> str:
    """`scripts/sweep`, as it was typed; "" where the program was started without it."""
    return os.environ.get(CALLED_AS, "")


def command_text(command: str) -> str:
    """`python -m sweep.report`, or `scripts/sweep report` where that is how the program was started.

    Args:
        command: `report`, `run`, ….
    """
    script = called_as()
    return f"{script} {command}" if script else f"python -m sweep.{command}"
