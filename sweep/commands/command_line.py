"""What all commands share on the command line: options, error messages, exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from sweep.commands.stop_signals import INTERRUPTED
from sweep.errors import SweepError
from sweep.invocation import command_text

StudyOption: TypeAlias = Annotated[str, typer.Option("--study", metavar="NAME", help="Name of the study.")]
HomeOption: TypeAlias = Annotated[
    Path, typer.Option("--home", metavar="DIR", help="Folder that holds studies/, mlflow/ and cache/.")
]
SetOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the file: training.epochs=20. Repeatable."),
]
TrackingOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        help="MLflow store. By default MLFLOW_TRACKING_URI, else mlflow/mlflow.db in the folder of --home.",
    ),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print only the result, as JSON.")]


def run_as_program(command: Callable[..., Any], name: str) -> None:
    """Run one command as its own program and exit."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    run_app(app, command_text(name))


def run_app(app: typer.Typer, name: str) -> None:
    """Run the program and exit; a `SweepError` is printed without its traceback."""
    try:
        app(prog_name=name)
    except SweepError as error:
        print(f"error: {error}" if "\n" not in str(error) else str(error), file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


def bad_option(option: str, expected: str, received: object) -> typer.BadParameter:
    """Return the error for an option with a wrong value."""
    return typer.BadParameter(f"expected {expected}, not {received!r}", param_hint=option)
