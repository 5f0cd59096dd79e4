"""The SQLite file of a study: opening it, and telling what is wrong with it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from sweep.errors import DiskError, StudyError
from sweep.records.disk import database_disk_error
from sweep.records.study_records import DATABASE

BUSY_SECONDS = 60
"""How long a write waits for another process's write, a browser of the study for example."""


def open_storage(folder: Path) -> RDBStorage:
    """The study's database, made when it is not there.

    Raises:
        StudyError: the file is not this study's database; it is left as it was.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = folder / DATABASE
    with storage_errors(path):
        if path.exists():
            _check_ours(path, folder.name)
        _set_wal(path)
        try:
            return RDBStorage(f"sqlite:///{path.resolve()}", engine_kwargs={"connect_args": {"timeout": BUSY_SECONDS}})
        except RuntimeError as error:  # the tables are of another version of Optuna
            raise StudyError(f"{path}: {_first_line(error)}") from error


def close_storage(storage: RDBStorage, folder: Path) -> None:
    """Leave everything in the one file."""
    storage.remove_session()
    storage.engine.dispose()
    connection = sqlite3.connect(folder / DATABASE, timeout=BUSY_SECONDS)
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def _check_ours(path: Path, name: str) -> None:
    """Optuna would add its tables to whatever database it is given, MLflow's for example.

    Raises:
        StudyError: the database is another program's, or holds another study.
    """
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
    try:
        # A file that lacks its last pages opens, and fails when a trial needs them. 3 ms for 500 trials.
        (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        ours = {"studies", "trials", "version_info"} <= tables
        names = [row[0] for row in connection.execute("SELECT study_name FROM studies")] if ours else []
    finally:
        connection.close()
    if state != "ok":
        raise sqlite3.DatabaseError(f"damaged: {' '.join(state.split())}")
    if not ours:
        raise StudyError(
            f"{path} is not a study's database, or was cut off while being made; "
            "move the file away or choose another name with --study NAME"
        )
    if name not in names:
        raise StudyError(
            f"{path} holds {', '.join(names) or 'no study'}, not {name}; a study's folder has the name of its study: "
            "rename the folder or choose another name with --study NAME"
        )


def _set_wal(path: Path) -> None:
    """Write-ahead logging, a property of the file: readers do not block the writer, and a crash tears nothing."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what Optuna and SQLite raise for a bad file into one sentence.

    Raises:
        DiskError: the disk is full or cannot be written.
        StudyError: instead of any other database error.
    """
    try:
        yield
    except (sqlite3.Error, SQLAlchemyError, optuna.exceptions.StorageInternalError, json.JSONDecodeError) as error:
        raise _disk_error(path, error) or StudyError(
            f"{path}: cannot be used as a study's database: {_first_line(error)}. "
            "Move the file away to start afresh, or restore a copy"
        ) from error
    except AssertionError as error:
        # Optuna's RDBStorage ends in `assert False` when the database fails; the cause is the context.
        cause = error.__context__ or error
        raise _disk_error(path, error) or StudyError(f"{path}: the database failed: {_first_line(cause)}") from error


def _disk_error(path: Path, error: BaseException) -> DiskError | None:
    """Optuna and SQLAlchemy hide the disk's error behind their own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, sqlite3.Error) and (found := database_disk_error(path, _first_line(cause))):
            return found
        cause = cause.__cause__ or cause.__context__
    return None


def _first_line(error: BaseException) -> str:
    """Without the SQL statement that follows; the type's name where an error has no text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
