"""`sweep status`: the state of a study, while it runs or afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.command_line import HomeOption, JsonOption, StudyOption, run_as_program


def status_command(
    study: StudyOption,
    watch: Annotated[bool, typer.Option("--watch", help="Update the output every two seconds until Ctrl-C.")] = False,
    home: HomeOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Show how many trials are done, which ones are running, and which is the best."""
    from sweep.commands.status import show_status

    show_status(home, study, watch, as_json)


if __name__ == "__main__":
    run_as_program(status_command, "status")
