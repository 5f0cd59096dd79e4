"""The command `sweep`: every command of `python -m sweep.COMMAND` under one name."""

from __future__ import annotations

import typer

from sweep import (
    check,
    diff,
    doctor,
    export,
    finalize,
    predict,
    report,
    reproduce,
    run,
    show,
    status,
    sync,
)
from sweep.command_line import run_app


def app() -> typer.Typer:
    """All commands."""
    commands = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        help="Hyperparameter sweeps for Keras image classifiers.",
    )
    for module in (
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
        commands.command(module.__name__.rpartition(".")[2])(module.command)
    return commands


def main() -> None:
    """Entry point."""
    run_app(app(), "sweep")
