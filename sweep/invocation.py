"""How the user called the program, so that messages suggest commands in the same form."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

CALLED_AS = "SWEEP_CALLED_AS"
"""Environment variable: `scripts/sweep` as the user typed it. Messages suggest it: `python` may lack the package."""


def called_as() -> str:
    """The path of `scripts/sweep` as the user typed it; "" if the program was started without that script."""
    return os.environ.get(CALLED_AS, "")


def command_text(command: str) -> str:
    """The text to type for a command: `python -m sweep.report`, or `scripts/sweep report` if that script was used."""
    script = called_as()
    return f"{script} {command}" if script else f"python -m sweep.{command}"


def same_command(command: str) -> str:
    """The command line that runs this process again; `command` is the name of its command."""
    words = sys.argv[2:] if sys.argv[1:2] == [command] else sys.argv[1:]
    return f"{command_text(command)} {shlex.join(words)}"


def home_option(home: Path) -> str:
    """The option ` --home DIR` of a suggested command; "" for the current folder."""
    return "" if home == Path() else f" --home {shlex.quote(str(home))}"
