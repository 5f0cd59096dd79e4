"""The command `sweep`: every command of `python -m sweep.COMMAND` under one name."""

from __future__ import annotations

import importlib.metadata
from typing import Annotated

import typer

from sweep.check import command as check
from sweep.commands.command_line import run_app
from sweep.diff import command as diff
from sweep.doctor import command as doctor
from sweep.export import command as export
from sweep.finalize import command as finalize
from sweep.invocation import called_as
from sweep.predict import command as predict
from sweep.report import command as report
from sweep.reproduce import command as reproduce
from sweep.run import command as run
from sweep.show import command as show
from sweep.status import command as status
from sweep.sync import command as sync


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"sweep {importlib.metadata.version('sweep')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Hyperparameter sweeps for Keras image classifiers."""


def app() -> typer.Typer:
    """All commands."""
    commands = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
    )
    commands.callback()(_options)
    for command in (
        run,
        status,
        show,
        diff,
        report,
        finalize,
        predict,
        export,
        reproduce,
        check,
        doctor,
        sync,
    ):
        commands.command(command.__module__.rpartition(".")[2])(command)
    return commands


def main() -> None:
    """Entry point; `scripts/sweep` is named so in the usage."""
    run_app(app(), called_as() or "sweep")
