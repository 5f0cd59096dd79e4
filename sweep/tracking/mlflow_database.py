"""The database of an MLflow store: made, probed, and what it raises when it is away."""

from __future__ import annotations

from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from sweep.records.atomic_writing import move_into_place

STORE_ERRORS = (MlflowException, SQLAlchemyError, OSError)
"""What a store that is away, locked or broken raises; the errors of `requests` are OSErrors."""


def make_database(file: Path) -> None:
    """Make MLflow's tables in a scratch file that becomes `file` when they are complete.

    MLflow makes them in some fifty steps over several seconds, and a database that a kill or an early Ctrl-C left
    between two of them can never be opened again.
    """
    scratch = file.with_name(f"{file.name}.new")
    scratch.unlink(missing_ok=True)
    store = SqlAlchemyStore(  # type: ignore[no-untyped-call]
        f"sqlite:///{scratch}", (file.parent / "artifacts").absolute().as_uri()
    )
    store.engine.dispose()
    move_into_place(scratch, file)


def probe_database(uri: str) -> None:
    """Connect once: MLflow itself would try for two minutes before it says that a database is away.

    Raises:
        SQLAlchemyError: it is.
        ImportError: its driver is not installed.
    """
    engine = create_engine(uri)
    try:
        engine.connect().close()
    finally:
        engine.dispose()
