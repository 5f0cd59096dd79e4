"""`sweep reproduce`: run a trial again from its record alone, and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.command_line import HomeOption, JsonOption, run_command


def command(
    study: Annotated[str, typer.Option(metavar="NAME", help="Name of the study.")],
    trial: Annotated[int | None, typer.Option(min=0, help="Number of the trial; the best one by default.")] = None,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Largest difference of a metric that still counts as the same result.")
    ] = 0.01,
    home: HomeOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Train a trial again from its record alone: EXACT, WITHIN x, or DIVERGED at epoch n. Exit code 0 or 1."""
    from sweep.reproduction import reproduce_command

    raise typer.Exit(reproduce_command(home, study, trial, tolerance, as_json))


if __name__ == "__main__":
    run_command(command, "reproduce")
