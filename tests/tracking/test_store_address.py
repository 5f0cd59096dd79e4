from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from sweep.errors import TrackingError
from sweep.tracking.store_address import resolve_address


def test_without_any_uri_the_store_is_a_file_under_the_home(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    address = resolve_address(None, {}, home)
    assert address.uri == f"sqlite:///{tmp_path}/a home/mlflow/mlflow.db"
    assert address.artifacts == f"file://{tmp_path}/a%20home/mlflow/artifacts"
    assert address.file == home / "mlflow" / "mlflow.db"
    assert (home / "mlflow").is_dir()


def test_the_environment_goes_before_the_local_file_and_the_argument_before_both(tmp_path: Path) -> None:
    environment = {"MLFLOW_TRACKING_URI": "http://team:5000"}
    assert resolve_address(None, environment, tmp_path).uri == "http://team:5000"
    assert resolve_address("https://other", environment, tmp_path).uri == "https://other"
    assert list(tmp_path.iterdir()) == []


def test_a_server_chooses_its_own_place_for_artifacts(tmp_path: Path) -> None:
    assert resolve_address("http://team:5000", {}, tmp_path).artifacts is None


def test_a_relative_sqlite_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_address("sqlite:///runs.db", {}, tmp_path).uri == f"sqlite:///{tmp_path}/runs.db"


def test_a_database_server_with_a_named_driver_is_taken(tmp_path: Path) -> None:
    uri = "postgresql+psycopg2://user@host/db"
    assert resolve_address(uri, {}, tmp_path).uri == uri


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("mlruns", "tracking URI 'mlruns': expected one of http://, https://"),
        ("file:///somewhere/mlruns", "expected one of http://"),
        ("htttp://team:5000", "expected one of http://"),
        ("http://", "the host is missing"),
        ("http://team:port", "Port could not be cast"),
        ("sqlite://", "ends with the process"),
        ("sqlite:///:memory:", "ends with the process"),
    ],
)
def test_an_unusable_uri_is_refused_immediately(uri: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match=message):
        resolve_address(uri, {}, tmp_path)


def test_a_file_instead_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlflow").write_text("not a folder")
    with pytest.raises(TrackingError, match=r"the folder of the tracking database cannot be created"):
        resolve_address(None, {}, tmp_path)


def test_a_folder_instead_of_the_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlflow" / "mlflow.db").mkdir(parents=True)
    with pytest.raises(TrackingError, match=r"the tracking database cannot be written"):
        resolve_address(None, {}, tmp_path)


def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("these are notes, and long enough to be read as a header")
    with pytest.raises(TrackingError, match=r"notes\.db: not a SQLite database"):
        resolve_address(f"sqlite:///{path}", {}, tmp_path)


def test_a_study_of_optuna_is_refused_by_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    with sqlite3.connect(path) as database:
        for table in ("alembic_version", "studies", "trials"):
            database.execute(f"CREATE TABLE {table} (id INTEGER)")
    with pytest.raises(TrackingError, match=r"found tables of another program \(alembic_version, studies, trials, …\)"):
        resolve_address(f"sqlite:///{path}", {}, tmp_path)


def test_an_empty_file_and_a_store_of_mlflow_are_taken(tmp_path: Path, database: Path) -> None:
    (tmp_path / "new.db").touch()
    for path in (tmp_path / "new.db", database):
        assert resolve_address(f"sqlite:///{path}", {}, tmp_path).file == path


def test_a_database_that_another_process_has_locked_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "busy.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE experiments (id INTEGER)")
        database.commit()
        database.execute("BEGIN IMMEDIATE")
        assert resolve_address(f"sqlite:///{path}", {}, tmp_path).file == path
