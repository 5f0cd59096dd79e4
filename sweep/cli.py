"""The command `sweep`: all commands of `python -m sweep.COMMAND` in one program."""

from __future__ import annotations

import importlib.metadata
from typing import Annotated

import typer

from sweep.check import check_command
from sweep.commands.command_line import run_app
from sweep.diff import diff_command
from sweep.doctor import doctor_command
from sweep.export import export_command
from sweep.finalize import finalize_command
from sweep.invocation import called_as
from sweep.predict import predict_command
from sweep.repair import repair_command
from sweep.report import report_command
from sweep.reproduce import reproduce_command
from sweep.run import run_command
from sweep.show import show_command
from sweep.status import status_command
from sweep.sync import sync_command


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
    """Return the program with all commands."""
    commands = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
    )
    commands.callback()(_options)
    for command in (
        run_command,
        status_command,
        show_command,
        diff_command,
        report_command,
        finalize_command,
        predict_command,
        export_command,
        reproduce_command,
        check_command,
        doctor_command,
        sync_command,
        repair_command,
    ):
        commands.command(command.__module__.rpartition(".")[2])(command)
    return commands


def main() -> None:
    """Run the program, under the name that the user typed for `scripts/sweep`."""
    run_app(app(), called_as() or "sweep")
