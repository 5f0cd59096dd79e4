"""`sweep run`: search a space, or train a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.api.callable_module import make_callable
from sweep.api.functions import run
from sweep.commands.command_line import (
    HomeOption,
    JsonOption,
    SetOption,
    TrackingOption,
    bad_option,
    run_as_program,
)
from sweep.commands.run import RunRequest, run_sweep
from sweep.invocation import same_command


def run_command(
    space: Annotated[Path, typer.Option("--space", metavar="FILE", help="Search space or recipe (YAML).")],
    trials: Annotated[int | None, typer.Option(min=1, help="Total number of trials, including earlier runs.")] = None,
    data: Annotated[
        str | None, typer.Option(metavar="NAME", help="digits, cifar10, …, a folder of class folders, or an .npz file.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Use only this many training images, stratified.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Maximum epochs per trial.")] = None,
    objective: Annotated[str | None, typer.Option(help="Metric that ranks trials: val_accuracy or val_loss.")] = None,
    settings: SetOption = None,
    study: Annotated[str | None, typer.Option(help="Name of the study. By default the name in the file.")] = None,
    fork: Annotated[
        str | None, typer.Option(metavar="NEW", help="Start study NEW with the trials of --study that are still valid.")
    ] = None,
    workers: Annotated[
        str, typer.Option(metavar="N|auto", help="Number of parallel trials. auto: one per GPU, else one per core.")
    ] = "auto",
    memory_limit: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Stop a trial that uses more resident memory: 4G, 512M.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads per trial. Results depend slightly on this number.")] = 1,
    home: HomeOption = Path(),
    tracking_uri: TrackingOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Search a space: sample, train, prune, record. The same command resumes a sweep that was stopped."""
    from sweep.commands.overrides import overrides_from_options

    changes = overrides_from_options(
        settings, data=data, limit=limit, epochs=epochs, objective=objective, memory_limit=memory_limit
    )
    forked = f"   (with --study {fork} instead of --fork {fork})" if fork else ""
    request = RunRequest(
        space=space,
        changes=changes,
        trials=trials,
        study=study,
        fork=fork,
        workers=_workers(workers),
        threads=threads,
        home=home,
        tracking_uri=tracking_uri,
        quiet=quiet,
        as_json=as_json,
        again=same_command("run") + forked,
    )
    run_sweep(request)


def _workers(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise bad_option("--workers", "auto or a number from 1", text)
    return int(text)


make_callable(__name__, run)

if __name__ == "__main__":
    run_as_program(run_command, "run")
