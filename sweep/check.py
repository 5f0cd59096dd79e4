"""`sweep check`: read a space and build models at its limits, without training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.command_line import HomeOption, JsonOption, SetOption, run_as_program


def check_command(
    space: Annotated[Path, typer.Argument(metavar="FILE", help="Search space or recipe (YAML).")],
    fast: Annotated[bool, typer.Option("--fast", help="Only read the file; build no model.")] = False,
    data: Annotated[str | None, typer.Option(metavar="NAME", help="Images; the same values as for `run`.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Number of trials for the time estimate.")] = None,
    settings: SetOption = None,
    home: HomeOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Read a space, build its smallest and largest model, each branch and 64 random draws, and estimate the time."""
    from sweep.commands.overrides import overrides_from_options
    from sweep.space.reader import read_space

    read = read_space(space, overrides_from_options(settings, data=data))

    from sweep.commands.check import check_space

    check_space(read, trials, home, fast, as_json)


if __name__ == "__main__":
    run_as_program(check_command, "check")
