"""`sweep run`: search a space, or train a recipe."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from sweep.api.callable_module import make_callable
from sweep.api.functions import run
from sweep.commands.command_line import HomeOption, JsonOption, SetOption, bad_option, run_as_program
from sweep.commands.run import RunOptions, run_sweep
from sweep.invocation import command_text


def run_command(
    space: Annotated[Path, typer.Option("--space", metavar="FILE", help="Search space or recipe (YAML).")],
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials that the study is to have in all, those of earlier runs included.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="NAME", help="Images: digits, cifar10, …, a folder of class folders, an .npz.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Use so many images of the training part, stratified.")] = None,
    epochs: Annotated[int | None, typer.Option(help="The most that a trial trains.")] = None,
    objective: Annotated[str | None, typer.Option(help="val_accuracy or val_loss.")] = None,
    settings: SetOption = None,
    study: Annotated[str | None, typer.Option(help="Name of the study; the file's name for it by default.")] = None,
    fork: Annotated[
        str | None, typer.Option(metavar="NEW", help="Begin study NEW with the trials of the old one that still fit.")
    ] = None,
    workers: Annotated[
        str, typer.Option(metavar="N|auto", help="Trials at a time; auto: one per GPU, else one per core.")
    ] = "auto",
    memory_limit: Annotated[
        str | None, typer.Option(metavar="SIZE", help="End a trial that grows beyond it: 4G, 512M (resident memory).")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each trial; another count gives other bits.")] = 1,
    home: HomeOption = Path(),
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow store; MLFLOW_TRACKING_URI, else mlflow/mlflow.db below --home.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show errors only.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Search a space: sample, train, prune, record. The same command again goes on where it stopped."""
    from sweep.commands.overrides import overrides

    at_a_time = _workers(workers)
    changes = overrides(
        settings,
        data=("data.name", data),
        limit=("data.limit", _text(limit)),
        epochs=("training.epochs", _text(epochs)),
        objective=("search.objective", objective),
        memory_limit=("search.memory_limit", memory_limit),
    )
    options = RunOptions(
        trials=trials,
        study=study,
        fork=fork,
        workers=at_a_time,
        threads=threads,
        home=home,
        tracking_uri=tracking_uri,
        quiet=quiet,
        as_json=as_json,
        again=_again(fork),
    )
    run_sweep(space, changes, options)


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)


def _again(fork: str | None) -> str:
    """The command that goes on where this one stopped."""
    words = sys.argv[2:] if sys.argv[1:2] == ["run"] else sys.argv[1:]
    where = f"   (with --study {fork} in place of --fork {fork})" if fork else ""
    return f"{command_text('run')} {shlex.join(words)}{where}"


def _workers(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise bad_option("--workers", "auto or a number from 1", text)
    return int(text)


make_callable(__name__, run)

if __name__ == "__main__":
    run_as_program(run_command, "run")
