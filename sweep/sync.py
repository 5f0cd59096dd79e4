"""`sweep sync`: bring MLflow up to the study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.command_line import HomeOption, JsonOption, run_as_program


def sync_command(
    study: Annotated[str, typer.Option(metavar="NAME", help="Name of the study.")],
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow store; MLFLOW_TRACKING_URI, else mlflow/mlflow.db below --home.")
    ] = None,
    home: HomeOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Create or complete every MLflow run of a study, from the study alone. Running it twice changes nothing."""
    from sweep.commands.sync import sync_with_mlflow

    raise typer.Exit(sync_with_mlflow(home, study, tracking_uri, as_json))


if __name__ == "__main__":
    run_as_program(sync_command, "sync")
