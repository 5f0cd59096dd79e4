"""Database files that do not belong to a study: each is refused in one line and stays unchanged."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from sweep.errors import StudyError
from sweep.study.open_study import open_study, stored_space
from sweep.study.storage import storage_errors
from tests.fakes import make_space, make_study, run_trials

Fill = Callable[[Path], object]


def text(path: Path) -> None:
    path.write_text("my notes about this study\n" * 40)


def no_bytes(path: Path) -> None:
    path.write_bytes(b"")


def no_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("DROP TABLE t")


def mlflow(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES ('1bd49d398cd2')")
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER, name TEXT)")


def _optuna(path: Path, name: str) -> optuna.Study:
    return optuna.create_study(storage=f"sqlite:///{path}", study_name=name)


def another_study(path: Path) -> None:
    _optuna(path, "else")


def not_ours(path: Path) -> None:
    _optuna(path, "demo")


def cut_in_half(path: Path) -> None:
    _optuna(path, "demo")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


NO_STUDY = "{} is not a study's database, or its creation was interrupted. `python -m sweep.repair --study demo --home "


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (text, "{}: cannot be used as a study's database: file is not a database. `python -m sweep.repair "),
        (no_bytes, NO_STUDY),
        (no_tables, NO_STUDY),
        (mlflow, NO_STUDY),
        (
            another_study,
            "{} contains else, not demo; a study's folder must have the study's name: rename the folder if it is",
        ),
        (not_ours, "{} was not created by sweep, or its creation was interrupted. `python -m sweep.repair"),
        (
            cut_in_half,
            "{}: cannot be used as a study's database: database disk image is malformed. `python -m sweep.repair",
        ),
    ],
)
def test_a_database_without_the_study_is_refused_in_one_line_and_unchanged(
    tmp_path: Path, fill: Fill, message: str
) -> None:
    path = tmp_path / "demo" / "study.db"
    path.parent.mkdir()
    fill(path)
    before = path.read_bytes()
    with pytest.raises(StudyError) as caught:
        open_study(path.parent, make_space(), threads=1, check_folder=lambda: None)
    assert str(caught.value).startswith(message.format(path))
    assert "\n" not in str(caught.value)
    if fill is not not_ours:  # one of Optuna's own files is switched to write-ahead logging
        assert path.read_bytes() == before
    with pytest.raises(StudyError):
        stored_space(path.parent)


def test_a_folder_in_the_databases_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.db").mkdir()
    with pytest.raises(StudyError, match="unable to open database file"):
        open_study(tmp_path, make_space(), threads=1, check_folder=lambda: None)


def test_a_renamed_study_is_refused_with_its_former_name(tmp_path: Path) -> None:
    make_study(tmp_path / "demo")
    (tmp_path / "demo").rename(tmp_path / "better")
    with pytest.raises(StudyError, match="contains demo, not better"):
        open_study(tmp_path / "better", make_space(), threads=1, check_folder=lambda: None)


def test_the_study_keeps_a_write_ahead_log(tmp_path: Path) -> None:
    run_trials(make_study(tmp_path / "demo"), 1)
    with closing(sqlite3.connect(tmp_path / "demo" / "study.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_write_waits_for_another_process_that_writes(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    with closing(sqlite3.connect(tmp_path / "demo" / "study.db", check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        released = threading.Event()

        def release_lock() -> None:
            released.set()
            other.rollback()

        release = threading.Timer(0.5, release_lock)
        release.start()
        run_trials(study, 1)
        assert released.is_set()
        release.join()
    assert study.count_started() == 1


def test_an_error_without_a_message_becomes_a_sentence() -> None:
    with (
        pytest.raises(StudyError, match=r"^study\.db: the database failed: AssertionError$"),
        storage_errors(Path("study.db")),
    ):
        raise AssertionError
