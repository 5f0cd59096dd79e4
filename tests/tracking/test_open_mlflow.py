from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.errors import TrackingError
from sweep.records.trial_record import TrialRecord
from sweep.tracking.open_mlflow import open_mlflow, prepare_environment, sync_study
from sweep.tracking.tracker import StudyInfo
from tests.waiting import PATIENCE

MakeRecord = Callable[..., TrialRecord]
KILLED_AT_A_TABLE = """
import os, pathlib, signal, sys
from sqlalchemy import Engine, event
from sweep.tracking.mlflow_store import make_database

tables = []

@event.listens_for(Engine, "before_cursor_execute")
def count(connection, cursor, statement, parameters, context, executemany):
    if "CREATE TABLE" in statement:
        tables.append(statement)
        if len(tables) == 40:
            os.kill(os.getpid(), signal.SIGKILL)

make_database(pathlib.Path(sys.argv[1]))
"""
"""MLflow creates a hundred tables in about fifty transactions."""


def test_settings_of_the_user_stay_and_the_others_are_quiet_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "55")
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY")
    prepare_environment()
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "55"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"


def test_importing_and_opening_do_not_wait_for_mlflow() -> None:
    code = "import sys, sweep.tracking.open_mlflow; print('mlflow' in sys.modules, 'matplotlib' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False False\n"


def test_an_unusable_uri_is_reported_before_anything_is_started(info: StudyInfo, tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="expected one of http://"):
        open_mlflow(info, "ftp://host", tmp_path)
    with pytest.raises(TrackingError, match="expected one of http://"):
        sync_study(info, [], "ftp://host", tmp_path)


def test_the_uri_of_the_environment_is_used(
    info: StudyInfo, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_record: MakeRecord
) -> None:
    (tmp_path / "team.db").write_bytes(database.read_bytes())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/team.db")
    assert sync_study(info, [make_record(3)], None, tmp_path / "home").created == (3,)
    assert sync_study(info, [make_record(3)], f"sqlite:///{tmp_path}/team.db", tmp_path / "home").unchanged == (3,)


def test_only_one_of_two_sweeps_at_a_time_prepares_the_store(
    info: StudyInfo, home: Path, make_record: MakeRecord
) -> None:
    with (home / "mlflow" / "mlflow.db.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        tracker = open_mlflow(info, None, home)
        tracker.update(make_record(0))
        assert tracker.close("finished", timeout=0.3) is False
    assert tracker.close("finished", timeout=PATIENCE) is True


@pytest.mark.slow
def test_a_store_whose_creation_was_killed_is_created_by_the_next_sweep(
    info: StudyInfo, tmp_path: Path, make_record: MakeRecord
) -> None:
    folder = tmp_path / "mlflow"
    folder.mkdir()
    killed = subprocess.run([sys.executable, "-c", KILLED_AT_A_TABLE, folder / "mlflow.db"])
    assert killed.returncode == -signal.SIGKILL
    assert (folder / "mlflow.db.new").stat().st_size > 50_000  # some of the tables are there
    assert not (folder / "mlflow.db").exists()

    assert sync_study(info, [make_record(3)], None, tmp_path).created == (3,)
