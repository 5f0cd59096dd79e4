"""`sweep finalize`: find the best trial, train a model like it on all images, and test this model once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.command_line import (
    HomeOption,
    JsonOption,
    StudyOption,
    TrackingOption,
    bad_option,
    run_as_program,
)
from sweep.invocation import same_command

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def finalize_command(
    study: StudyOption,
    top: Annotated[
        int,
        typer.Option(min=1, help="Number of finalists, best first. Trials within noise of the last one are added."),
    ] = 5,
    max_repeats: Annotated[
        int, typer.Option(min=0, help="Maximum number of rounds. Each trains all finalists again; 0: none.")
    ] = 10,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Use stratified k-fold cross-validation instead of fresh splits.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Time limit for the whole command: 45s, 90m, 2h, 1h30m.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of parallel trainings. By default one per GPU, else per core.")
    ] = None,
    home: HomeOption = Path(),
    tracking_uri: TrackingOption = None,
    as_json: JsonOption = False,
) -> None:
    """Repeat the best trials until one is clearly better, train it on all images, and open the test set once.

    The result is in studies/NAME/final: model.keras, final.json, final.html, model_card.md, pictures. After an
    interruption, the same command continues. The rounds end when one finalist is separated from all others (bootstrap
    P(best) of 0.95, paired t-tests at 1 %, after at least three rounds), or at the limit of --max-repeats or --budget.
    """
    seconds = None if budget is None else parse_duration(budget)
    if folds is not None and 0 < max_repeats < folds:
        raise bad_option(
            "--max-repeats", f"at least --folds {folds}, so that every image is held out once", max_repeats
        )

    from sweep.commands.finalize import FinalizeRequest, finalize_study

    request = FinalizeRequest(
        home=home,
        study=study,
        top=top,
        max_repeats=max_repeats,
        folds=folds,
        budget=seconds,
        workers=workers,
        tracking_uri=tracking_uri,
        as_json=as_json,
        again=same_command("finalize"),
    )
    raise typer.Exit(finalize_study(request))


def parse_duration(text: str) -> float:
    """Return the seconds of `90m`, `2h`, `1h30m` or `45s`.

    Raises:
        typer.BadParameter: the text is not a duration of more than 0 s.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or seconds <= 0:
        raise bad_option("--budget", "a time such as 45s, 90m, 2h or 1h30m", text)
    return seconds


if __name__ == "__main__":
    run_as_program(finalize_command, "finalize")
