"""`sweep finalize`: which trial is really best, one model from all its images, and one look at the test set."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.command_line import HomeOption, JsonOption, bad_option, run_as_program
from sweep.invocation import command_text

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def finalize_command(
    study: Annotated[str, typer.Option(metavar="NAME", help="Name of the study.")],
    top: Annotated[
        int,
        typer.Option(min=1, help="Finalists: so many best trials, and whoever is within noise of the last of them."),
    ] = 5,
    max_repeats: Annotated[
        int, typer.Option(min=0, help="Rounds at most; each trains every finalist once more. 0 repeats nothing.")
    ] = 10,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Rounds are stratified k-fold cross-validation, not fresh splits.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="For everything that the command does: 45s, 90m, 2h, 1h30m.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Trainings at a time; by default one per GPU, else one per core.")
    ] = None,
    home: HomeOption = Path(),
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow store; MLFLOW_TRACKING_URI, else mlflow/mlflow.db below --home.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train the best trials again until one is separated, then that one on everything, and open the test set once.

    The result is in studies/NAME/final: model.keras, final.json, final.html, model_card.md, pictures. Interrupted, the
    same command goes on. Rounds end when one finalist is separated (bootstrap P(best) of 0.95 and a paired t-test
    against each other finalist at 1 %, after three rounds at least), or with --max-repeats or --budget.
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
        most=max_repeats,
        folds=folds,
        budget=seconds,
        workers=workers,
        tracking_uri=tracking_uri,
        as_json=as_json,
        again=_again(),
    )
    raise typer.Exit(finalize_study(request))


def parse_duration(text: str) -> float:
    """Seconds of `90m`, `2h`, `1h30m`, `45s`.

    Raises:
        typer.BadParameter: it is no such text, or no time at all.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or seconds <= 0:
        raise bad_option("--budget", "a time such as 45s, 90m, 2h or 1h30m", text)
    return seconds


def _again() -> str:
    """The command that goes on where this one stopped."""
    words = sys.argv[2:] if sys.argv[1:2] == ["finalize"] else sys.argv[1:]
    return f"{command_text('finalize')} {shlex.join(words)}"


if __name__ == "__main__":
    run_as_program(finalize_command, "finalize")
