"""`sweep status`: how a study stands, from another shell while it runs or afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.command_line import HomeOption, JsonOption, run_as_program


def status_command(
    study: Annotated[str, typer.Option(metavar="NAME", help="Name of the study.")],
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew every two seconds until Ctrl-C.")] = False,
    home: HomeOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Say how many trials are done, what runs now, and which is best."""
    from sweep.commands.status import show_status

    show_status(home, study, watch, as_json)


if __name__ == "__main__":
    run_as_program(status_command, "status")
