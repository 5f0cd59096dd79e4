"""`sweep show`: everything about one trial."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.command_line import HomeOption, JsonOption, StudyOption, run_as_program


def show_command(
    study: StudyOption,
    trial: Annotated[int | None, typer.Argument(min=0, help="Number of the trial. By default the best one.")] = None,
    home: HomeOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Show a trial: result, sampled values, learning curve, configuration, data, environment."""
    from sweep.commands.show import show_trial

    show_trial(home, study, trial, as_json)


if __name__ == "__main__":
    run_as_program(show_command, "show")
