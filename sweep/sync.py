"""`sweep sync`: bring the MLflow runs of a study up to date."""

from __future__ import annotations

from pathlib import Path

from sweep.commands.command_line import HomeOption, JsonOption, StudyOption, TrackingOption, run_as_program


def sync_command(
    study: StudyOption,
    tracking_uri: TrackingOption = None,
    home: HomeOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Create or complete the MLflow runs of a study from its records. A second call changes nothing."""
    from sweep.commands.sync import sync_with_mlflow

    sync_with_mlflow(home, study, tracking_uri, as_json)


if __name__ == "__main__":
    run_as_program(sync_command, "sync")
