"""Opening the MLflow mirror, and rebuilding it from a study's records.

mlflow is imported inside one function here, on purpose: its import reads the settings below once for all (and without
them writes an installation id into the user's configuration folder), and takes 2 s, which the writer's thread has and
the sweep has not.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.errors import TrackingError
from sweep.records.trial_record import TrialRecord
from sweep.tracking.mirror import MlflowTracker
from sweep.tracking.run_entry import RunStatus, ended_at
from sweep.tracking.store_address import Address, resolve_address, short_error
from sweep.tracking.study_entry import records_status
from sweep.tracking.tracker import StudyInfo

if TYPE_CHECKING:
    from sweep.tracking.mlflow_study import Change, MlflowStudy

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # MLflow's own 120 s and 7 repeats add up to minutes per call; the mirror repeats by itself.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}
"""Environment variables of MLflow that are set where the user has not set them."""


@dataclass(frozen=True)
class SyncReport:
    """What `sync_study` did, by trial numbers."""

    created: tuple[int, ...]
    updated: tuple[int, ...]
    unchanged: tuple[int, ...]


def open_mlflow(info: StudyInfo, uri: str | None, home: Path) -> MlflowTracker:
    """Mirror a study to MLflow. Connecting happens in the background: a server that is away stops nothing.

    Args:
        info: of the study.
        uri: tracking URI; None takes MLFLOW_TRACKING_URI, else the file `<home>/mlflow/mlflow.db`.
        home: where the local store and its artifacts are.

    Raises:
        TrackingError: the URI can be seen to be unusable, see `resolve_address`.
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
    """Create or complete every run of a study from the study alone; doing it again changes nothing.

    Args:
        info: of the study.
        records: of all trials.
        uri: as for `open_mlflow`.
        home: as for `open_mlflow`.
        progress: called with trials done and trials in all.

    Raises:
        TrackingError: the URI is unusable, or the store is away or refuses.
    """
    address = resolve_address(uri, os.environ, home)
    prepare_environment()
    from sweep.tracking.mlflow_database import STORE_ERRORS

    try:
        ordered = sorted(records, key=lambda record: record.number)
        return _sync(connect(info, address), ordered, progress)
    except (*STORE_ERRORS, ImportError) as error:  # ImportError: the driver of a database
        cause = short_error(str(error))
        raise TrackingError(
            f"{address.shown}: the tracking store does not take study {info.name}: {cause} "
            "See that the store can be reached, then sync again: what was written stays."
        ) from error


def add_report_to_mlflow(info: StudyInfo, uri: str | None, home: Path) -> bool:
    """Add the study's report to its run.

    Args:
        info: of the study.
        uri: as for `open_mlflow`.
        home: as for `open_mlflow`.

    Returns:
        False where the store has no run of the study yet; the sync that makes one takes the report along.

    Raises:
        TrackingError: the URI is unusable, or the store is away or refuses.
    """
    address = resolve_address(uri, os.environ, home)
    if address.file is not None and not address.file.exists():
        return False
    prepare_environment()
    from sweep.tracking.mlflow_database import STORE_ERRORS, probe_database
    from sweep.tracking.mlflow_study import log_report_artifact

    try:
        if address.is_database_server:
            probe_database(address.uri)
        return log_report_artifact(info, address)
    except (*STORE_ERRORS, ImportError) as error:
        raise TrackingError(
            f"{address.shown}: the tracking store does not take the report: {short_error(str(error))}"
        ) from error


def prepare_environment() -> None:
    """Set MLflow's environment variables for quiet, bounded work. Counts only before mlflow is first imported."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    # It announces the building of its font cache, at a machine's first picture, as a warning.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    # Names of classes may be in any script; a sign that the font has not is drawn as a box.
    warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)


def connect(info: StudyInfo, address: Address) -> MlflowStudy:
    """The study in its store; a SQLite file is made when it is not there. Raises what the store raises."""
    from sweep.tracking.mlflow_database import make_database, probe_database
    from sweep.tracking.mlflow_study import open_mlflow_study

    if address.is_database_server:
        probe_database(address.uri)
    with _alone(address.file):
        if address.file is not None and not address.file.exists():
            make_database(address.file)
        return open_mlflow_study(info, address)


@contextmanager
def _alone(file: Path | None) -> Iterator[None]:
    """Two sweeps that start at once must not both create the tables: MLflow itself does not keep them apart."""
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

    def numbers(wanted: Change) -> tuple[int, ...]:
        return tuple(number for number, change in changes.items() if change == wanted)

    return SyncReport(numbers("created"), numbers("updated"), numbers("unchanged"))


def _study_end(store: MlflowStudy, records: list[TrialRecord]) -> tuple[RunStatus, int | None]:
    """What `close` wrote at the end of a sweep knows more than the records, unless the study went on since."""
    status = records_status(records)
    if status == "RUNNING":
        return status, None
    newest = max((ended_at(record) or 0 for record in records), default=0)
    held = store.study_end()
    if held is not None and held[1] >= newest:
        return held
    return status, newest or round(time.time() * 1000)
