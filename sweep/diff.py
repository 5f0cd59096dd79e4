"""`sweep diff`: two trials side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.command_line import HomeOption, JsonOption, StudyOption, run_as_program


def diff_command(
    first: Annotated[int, typer.Argument(min=0, metavar="A", help="Number of a trial.")],
    second: Annotated[int, typer.Argument(min=0, metavar="B", help="Number of another trial.")],
    study: StudyOption,
    home: HomeOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Show how two trials differ: results, configuration, environment."""
    from sweep.commands.diff import show_differences

    show_differences(home, study, first, second, as_json)


if __name__ == "__main__":
    run_as_program(diff_command, "diff")
