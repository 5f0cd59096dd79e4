"""The SQLite file of a study: how it is opened, and what its errors mean."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from sweep.errors import DiskError, StudyError
from sweep.records.disk import database_disk_error
from sweep.records.study_records import DATABASE, repair_advice

LOCKED = "database is locked"
"""SQLite's message if another process has been writing for `BUSY_SECONDS`."""
BUSY_SECONDS = 60
"""Number of seconds that a write waits for the write of another process, for example of a viewer of the study."""


def open_storage(folder: Path, create: bool = False) -> RDBStorage:
    """Return the study's database.

    Args:
        folder: the study's folder.
        create: create the database if it does not exist.

    Raises:
        StudyError: the file does not exist, or is not this study's database; it stays unchanged.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = folder / DATABASE
    with storage_errors(path):
        if path.exists():
            _check_ours(path, folder.name)
        with _connect(path, create) as connection:
            # The file keeps this mode, in which readers do not block the writer and a crash does not damage the file.
            connection.execute("PRAGMA journal_mode=WAL")
        try:
            return RDBStorage(f"sqlite:///{path.resolve()}", engine_kwargs={"connect_args": {"timeout": BUSY_SECONDS}})
        except RuntimeError as error:  # the tables are of another version of Optuna
            raise StudyError(f"{path}: {_first_line(error)}") from error


def close_storage(storage: RDBStorage, folder: Path) -> None:
    """Close the database, and move everything from its write-ahead log into the file."""
    storage.remove_session()
    storage.engine.dispose()
    with _connect(folder / DATABASE) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def database_connection(folder: Path) -> Iterator[sqlite3.Connection]:
    """Connect to the study's database without Optuna.

    Raises:
        DiskError, StudyError: see `storage_errors`.
    """
    with storage_errors(folder / DATABASE), _connect(folder / DATABASE) as connection:
        yield connection


def _connect(path: Path, create: bool = False) -> closing[sqlite3.Connection]:
    # By default, SQLite would create an empty database in the place of a study that was moved.
    address = f"{path.resolve().as_uri()}?mode={'rwc' if create else 'rw'}"
    return closing(sqlite3.connect(address, timeout=BUSY_SECONDS, uri=True))


def _check_ours(path: Path, name: str) -> None:
    """Check that a database is this study's: Optuna would add its tables to any database, even to MLflow's.

    Raises:
        StudyError: the database belongs to another program, or contains another study.
    """
    with _connect(path) as connection:
        # Detect a truncated file: it opens, but fails at the first missing page. The check takes 3 ms per 500 trials.
        (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        ours = {"studies", "trials", "version_info"} <= tables
        names = [row[0] for row in connection.execute("SELECT study_name FROM studies")] if ours else []
    if state != "ok":
        raise sqlite3.DatabaseError(f"damaged: {' '.join(state.split())}")
    if not ours:
        raise StudyError(
            f"{path} is not a study's database, or its creation was interrupted. {repair_advice(path.parent)}"
        )
    if name not in names:
        raise StudyError(
            f"{path} contains {', '.join(names) or 'no study'}, not {name}; a study's folder must have the study's "
            f"name: rename the folder if it is that study. Otherwise, {repair_advice(path.parent)}"
        )


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn errors of Optuna and SQLite into errors of sweep with a message of one sentence.

    Raises:
        DiskError: the disk is full or cannot be written.
        StudyError: any other database error.
    """
    try:
        yield
    except (sqlite3.Error, SQLAlchemyError, optuna.exceptions.StorageInternalError, json.JSONDecodeError) as error:
        advice = repair_advice(path.parent)
        if LOCKED in _first_line(error):
            advice = "Another program is writing to it: close that program and run the same command again"
        raise _disk_error(path, error) or StudyError(
            f"{path}: cannot be used as a study's database: {_first_line(error)}. {advice}"
        ) from error
    except AssertionError as error:
        # Optuna's RDBStorage reaches `assert False` when the database fails; the original error is its context.
        cause = error.__context__ or error
        raise _disk_error(path, error) or StudyError(f"{path}: the database failed: {_first_line(cause)}") from error


def _disk_error(path: Path, error: BaseException) -> DiskError | None:
    """Return the disk error that caused an error of Optuna or SQLAlchemy; None for any other cause."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, sqlite3.Error) and (found := database_disk_error(path, _first_line(cause))):
            return found
        cause = cause.__cause__ or cause.__context__
    return None


def _first_line(error: BaseException) -> str:
    """Return the message without the SQL statement that follows, or the type's name if there is no message."""
    if isinstance(error, optuna.exceptions.StorageInternalError) and error.__cause__ is not None:
        error = error.__cause__  # Optuna's own message is the same for all causes
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
