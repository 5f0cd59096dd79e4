"""A second copy of the record of every trial that has ended, in the study's database: what a torn file is mended from.

In a table of its own beside Optuna's, so that the sampler, which loads all attributes of all trials, does not carry it.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sweep.errors import RecordError
from sweep.records.study_records import DATABASE
from sweep.records.trial_record import TrialRecord, record_from_json, record_to_json
from sweep.study.storage import BUSY_SECONDS, storage_errors

_MAKE = "CREATE TABLE IF NOT EXISTS sweep_records (number INTEGER PRIMARY KEY, record BLOB NOT NULL)"
_PUT = "INSERT OR REPLACE INTO sweep_records VALUES (?, ?)"
LARGEST = 64 * 2**20
"""Bytes of a record's text; a copy that would become larger is damaged itself."""


def keep_copy(study_folder: Path, record: TrialRecord) -> None:
    """Write a record's copy over an older one.

    Raises:
        StudyError: the database fails.
    """
    with _database(study_folder) as connection, connection:
        connection.execute(_MAKE)
        connection.execute(_PUT, (record.number, zlib.compress(record_to_json(record).encode())))


def copied_numbers(study_folder: Path) -> list[int]:
    """The trials of which there is a copy.

    Raises:
        StudyError: the database fails.
    """
    with _database(study_folder) as connection:
        connection.execute(_MAKE)
        return [row[0] for row in connection.execute("SELECT number FROM sweep_records ORDER BY number")]


def read_copy(study_folder: Path, number: int) -> TrialRecord | None:
    """The copy of a trial's record; None where there is none that can be read.

    Raises:
        StudyError: the database fails.
    """
    with _database(study_folder) as connection:
        connection.execute(_MAKE)
        row = connection.execute("SELECT record FROM sweep_records WHERE number = ?", (number,)).fetchone()
    if row is None:
        return None
    try:
        text = zlib.decompressobj().decompress(row[0], LARGEST).decode()
        return record_from_json(text, f"{study_folder / DATABASE}, trial {number}")
    except (zlib.error, UnicodeDecodeError, TypeError, RecordError):
        return None


@contextmanager
def _database(study_folder: Path) -> Iterator[sqlite3.Connection]:
    path = study_folder / DATABASE
    with storage_errors(path), closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
        yield connection
