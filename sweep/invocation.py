"""How the program was called, so that the commands in its messages can be typed in the same way."""

from __future__ import annotations

import os

CALLED_AS = "SWEEP_CALLED_AS"
"""Set by `scripts/sweep` to its path as the user typed it; its Python is not on the user's PATH."""


def called_as() -> str:
    """The path of `scripts/sweep` as the user typed it; "" if the program was started without it."""
    return os.environ.get(CALLED_AS, "")


def command_text(command: str) -> str:
    """The text to type for a command: `python -m sweep.report`, or `scripts/sweep report` if that script started it."""
    script = called_as()
    return f"{script} {command}" if script else f"python -m sweep.{command}"
