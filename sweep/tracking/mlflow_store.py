"""An MLflow store: its database and client, and the experiment and the runs of a study.

Importing this module imports mlflow (2 s), so `sweep.tracking.open_mlflow` imports it only when it is needed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from sweep.records.atomic_writing import move_into_place
from sweep.tracking.store_address import Address
from sweep.tracking.tracker import StudyInfo

STORE_ERRORS = (MlflowException, SQLAlchemyError, OSError)
"""The exceptions of an unreachable, locked or broken store; the errors of `requests` are OSErrors."""

_log = logging.getLogger("sweep.tracking")


def make_database(file: Path) -> None:
    """Create MLflow's tables in a temporary file that is renamed to `file` when the tables are complete.

    MLflow creates the tables in about fifty steps over several seconds. If a kill or an early Ctrl-C interrupts this,
    MLflow can never open the database again.
    """
    scratch = file.with_name(f"{file.name}.new")
    scratch.unlink(missing_ok=True)
    store = SqlAlchemyStore(  # type: ignore[no-untyped-call]  # MLflow does not annotate it for mypy
        f"sqlite:///{scratch}", (file.parent / "artifacts").absolute().as_uri()
    )
    store.engine.dispose()
    move_into_place(scratch, file)


def make_client(address: Address) -> MlflowClient:
    """Return a client for tracking and registry.

    A test connection to a database server is made first, because MLflow itself would retry for two minutes.

    Raises:
        SQLAlchemyError: the database server is unreachable.
        ImportError: the driver of the database is not installed.
    """
    if address.is_database_server:
        engine = create_engine(address.uri)
        try:
            engine.connect().close()
        finally:
            engine.dispose()
    return MlflowClient(tracking_uri=address.uri, registry_uri=address.uri)


def ensure_experiment(client: MlflowClient, name: str, artifacts: str | None) -> str:
    """Return the id of the study's experiment; it is created if missing and restored if deleted."""
    found = client.get_experiment_by_name(name)
    if found is None:
        # Without this tag the user interface asks what the experiment is for, instead of showing the runs.
        tags = {"mlflow.experimentKind": "custom_model_development"}
        return str(client.create_experiment(name, artifact_location=artifacts, tags=tags))
    if found.lifecycle_stage == "deleted":
        _log.warning("The MLflow experiment %s was deleted; restoring it.", name)
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def search_runs(client: MlflowClient, experiment_id: str, info: StudyInfo, filter_string: str) -> Iterator[Run]:
    """Yield the study's runs that are not deleted, the oldest last: callers use it if a run was created twice."""
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id],
            f"{filter_string} and tags.`sweep.study_id` = '{info.id}'",
            order_by=["attributes.start_time DESC", "attributes.run_id DESC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def find_run(client: MlflowClient, experiment_id: str, info: StudyInfo, filter_string: str) -> Run | None:
    """Return the study's oldest run that matches the filter; None if no run matches."""
    found = list(search_runs(client, experiment_id, info, filter_string))
    return found[-1] if found else None
