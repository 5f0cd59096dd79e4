"""What the program does with MLflow: mirror a study, rebuild the mirror, register and download models.

mlflow is imported inside the functions: the import takes 2 s, and a sweep does not wait for it, because it happens in
the background thread. Without the settings below, mlflow writes an installation id to the user's configuration.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.errors import TrackingError
from sweep.records.final_result import Registration
from sweep.records.trial_record import TrialRecord
from sweep.tracking.mlflow_tracker import MlflowTracker
from sweep.tracking.run_entry import RunStatus, ended_at
from sweep.tracking.store_address import Address, resolve_address, short_error
from sweep.tracking.study_entry import records_status
from sweep.tracking.tracker import ALIAS, FinalModel, StudyInfo

if TYPE_CHECKING:
    from sweep.tracking.mlflow_study import Change, MlflowStudy

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # MLflow's defaults, 120 s and 7 retries, add up to minutes per call; the tracker retries by itself.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}
"""Environment variables of MLflow, set unless the user has set them."""
REFERENCE = re.compile(r"(models|runs):/[^\s]+")
"""A model in MLflow: `models:/name@champion`, `models:/name/3`, `models:/m-0123…` or `runs:/run id/path`."""


@dataclass(frozen=True)
class SyncReport:
    """The numbers of the trials whose runs `sync_study` created, updated and left unchanged."""

    created: tuple[int, ...]
    updated: tuple[int, ...]
    unchanged: tuple[int, ...]


def open_mlflow(info: StudyInfo, uri: str | None, home: Path) -> MlflowTracker:
    """Return a tracker that mirrors a study to MLflow. It connects in the background: a slow server delays nothing.

    Args:
        info: the study.
        uri: tracking URI; None for MLFLOW_TRACKING_URI or, if that is not set, the file `<home>/mlflow/mlflow.db`.
        home: the folder that contains the local store and its artifacts, `mlflow/`.

    Raises:
        TrackingError: the URI cannot be used, see `resolve_address`.
    """
    address = resolve_address(uri, os.environ, home)
    prepare_environment()
    return MlflowTracker(lambda: connect(info, address))


def sync_study(
    info: StudyInfo,
    records: Iterable[TrialRecord],
    uri: str | None,
    home: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005 - the signature of a progress function
) -> SyncReport:
    """Create or complete every run of a study from its folder alone; a second call changes nothing.

    Args:
        info: the study.
        records: the records of all trials.
        uri: see `open_mlflow`.
        home: see `open_mlflow`.
        progress: called with the number of trials written so far and the number of all trials.

    Raises:
        TrackingError: the URI cannot be used, or the store is unreachable or reports an error.
    """
    address = resolve_address(uri, os.environ, home)
    with _store_errors(address, f"the study {info.name} is not fully written, sync it again later"):
        ordered = sorted(records, key=lambda record: record.number)
        return _sync(connect(info, address), ordered, progress)


def add_report_to_mlflow(info: StudyInfo, uri: str | None, home: Path) -> bool:
    """Add the study's report to its run; parameters and errors as in `sync_study`.

    Returns:
        False if the store has no run of the study yet; the sync that creates the run adds the report.
    """
    address = resolve_address(uri, os.environ, home)
    if address.file is not None and not address.file.exists():
        return False
    with _store_errors(address, "the report cannot be written"):
        from sweep.tracking.mlflow_study import log_report_artifact

        return log_report_artifact(info, address)


def register_model(info: StudyInfo, final_model: FinalModel, uri: str | None, home: Path) -> Registration:
    """Register the final model under the study's name with the alias `champion`; a second call changes nothing.

    Parameters and errors as in `sync_study`.
    """
    address = resolve_address(uri, os.environ, home)
    with _store_errors(address, "the model cannot be registered"):
        from sweep.tracking.mlflow_registry import register_in_store

        connect(info, address)  # creates the database if there is none
        version = register_in_store(info, final_model, address)
    return Registration(address.shown, info.name, version, ALIAS)


def download_model(reference: str, uri: str | None, home: Path, folder: Path) -> tuple[Path, tuple[str, ...] | None]:
    """Download a model from MLflow.

    Args:
        reference: `models:/…` or `runs:/…`.
        uri: see `open_mlflow`.
        home: see `open_mlflow`.
        folder: where to download to.

    Returns:
        The path of the .keras file, whose content is not checked, and the class names, None if the model has none.

    Raises:
        TrackingError: the store is unreachable, it has no such model, or the model is not a Keras model.
    """
    address = resolve_address(uri, os.environ, home)
    with _store_errors(address, f"{reference} cannot be downloaded"):
        from sweep.tracking.mlflow_registry import download, stored_classes

        found = download(reference, address, folder)
    files = sorted(found.rglob("*.keras")) if found.is_dir() else [found]
    if not files:
        raise TrackingError(f"{address.shown}: {reference}: expected a Keras model, found no .keras file in it")
    return files[0], stored_classes(found)


def prepare_environment() -> None:
    """Set environment variables for fewer messages and short timeouts of MLflow. Call it before mlflow is imported."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    # matplotlib warns while it builds its font cache, before the first picture on a machine.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    # Class names may be in any script; a box for a character that the font lacks needs no warning.
    warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)


@contextmanager
def _store_errors(address: Address, failure: str) -> Iterator[None]:
    """Convert errors of the store in the block to a TrackingError with address, failure and cause."""
    prepare_environment()
    from sweep.tracking.mlflow_store import STORE_ERRORS

    try:
        yield
    except (*STORE_ERRORS, ImportError) as error:  # ImportError: the driver of a database is not installed
        raise TrackingError(f"{address.shown}: {failure}: {short_error(str(error))}") from error


def connect(info: StudyInfo, address: Address) -> MlflowStudy:
    """Open the study in its store; a SQLite file is created if missing. Errors of the store are not converted."""
    from sweep.tracking.mlflow_store import ensure_experiment, make_client, make_database
    from sweep.tracking.mlflow_study import MlflowStudy

    with _locked(address.file):
        if address.file is not None and not address.file.exists():
            make_database(address.file)
        client = make_client(address)
        return MlflowStudy(client, ensure_experiment(client, info.name, address.artifacts), info)


@contextmanager
def _locked(file: Path | None) -> Iterator[None]:
    """Prevent two sweeps that start at the same time from both creating the tables; MLflow does not prevent it."""
    if file is None:
        yield
        return
    with file.with_name(file.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sync(store: MlflowStudy, records: list[TrialRecord], progress: Callable[[int, int], None]) -> SyncReport:
    changes: dict[int, Change] = {}
    for done, record in enumerate(records, start=1):
        changes[record.number] = store.sync_trial(record)
        progress(done, len(records))
    store.sync_study(*_study_end(store, records))
    for number in store.sync_models():
        if changes.get(number) == "unchanged":
            changes[number] = "updated"
    created, updated, unchanged = (
        tuple(number for number, change in changes.items() if change == wanted)
        for wanted in ("created", "updated", "unchanged")
    )
    return SyncReport(created, updated, unchanged)


def _study_end(store: MlflowStudy, records: list[TrialRecord]) -> tuple[RunStatus, int | None]:
    """Return status and end of the study's run: as `close` wrote them or, if trials ran since, from the records."""
    status = records_status(records)
    if status == "RUNNING":
        return status, None
    newest = max((ended_at(record) or 0 for record in records), default=0)
    stored = store.study_end()
    if stored is not None and stored[1] >= newest:
        return stored
    return status, newest or round(time.time() * 1000)
