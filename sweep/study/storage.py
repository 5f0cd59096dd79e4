"""The SQLite file of a study: opening it, and telling what is wrong with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from sweep.errors import StudyError

DATABASE = "study.db"
BUSY_SECONDS = 60
"""How long a write waits for another process's write, a browser of the study for example."""


def open_storage(folder: Path) -> RDBStorage:
    """The study's database, made when it is not there.

    Raises:
        StudyError: the file is not a study's database.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = folder / DATABASE
    with storage_errors(path):
        _set_wal(path)
        return RDBStorage(f"sqlite:///{path.resolve()}", engine_kwargs={"connect_args": {"timeout": BUSY_SECONDS}})


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
        StudyError: instead of a database error.
    """
    try:
        yield
    except (sqlite3.Error, SQLAlchemyError, RuntimeError, optuna.exceptions.StorageInternalError) as error:
        raise StudyError(
            f"{path}: cannot be used as a study's database: {str(error).splitlines()[0]}. "
            "Move the file away to start afresh, or restore a copy"
        ) from error
    except AssertionError as error:
        # Optuna's RDBStorage ends in `assert False` when the database fails; the cause is the context.
        cause = error.__context__ or error
        raise StudyError(f"{path}: the database failed: {str(cause).splitlines()[0]}") from error
