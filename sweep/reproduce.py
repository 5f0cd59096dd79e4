"""`sweep reproduce`: train a trial again from its record, and compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sweep.api.callable_module import make_callable
from sweep.api.functions import TOLERANCE, reproduce
from sweep.commands.command_line import HomeOption, JsonOption, StudyOption, run_as_program


def reproduce_command(
    study: StudyOption,
    trial: Annotated[int | None, typer.Option(min=0, help="Number of the trial. By default the best one.")] = None,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Largest difference of a metric that still counts as the same result.")
    ] = TOLERANCE,
    home: HomeOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Train a trial again and compare: EXACT or WITHIN x (exit code 0), or DIVERGED at epoch n (exit code 1)."""
    from sweep.api.study import Study

    found = Study(study, home=home)
    again = reproduce(found.best if trial is None else found.trial(trial), tolerance=tolerance, quiet=as_json)
    if as_json:
        print(json.dumps(again.as_mapping()))
    raise typer.Exit(0 if again.holds else 1)


make_callable(__name__, reproduce)

if __name__ == "__main__":
    run_as_program(reproduce_command, "reproduce")
