"""Backup copies of trial records, and restoring records that are damaged or missing.

There is a copy of the record of every trial that has ended. The copies are in a separate table of the study's
database, so that the sampler, which loads all attributes of all trials, does not load them.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Collection
from pathlib import Path

from sweep.errors import RecordError
from sweep.records.disk import disk_errors
from sweep.records.study_records import DATABASE
from sweep.records.trial_record import (
    RECORD_FILE,
    TrialRecord,
    read_record,
    record_from_json,
    record_to_json,
    trial_folder,
    write_record,
)
from sweep.study.storage import database_connection

DAMAGED = ".damaged"
"""Suffix of a damaged file, which is renamed and never removed."""
_CREATE = "CREATE TABLE IF NOT EXISTS sweep_records (number INTEGER PRIMARY KEY, record BLOB NOT NULL)"
_MAX_BYTES = 64 * 2**20
"""Maximum size of a record's text; a copy that decompresses to more is damaged."""


def keep_copy(study_folder: Path, record: TrialRecord) -> None:
    """Store a copy of a record, which replaces an older copy.

    Raises:
        StudyError: the database fails.
    """
    with database_connection(study_folder) as connection, connection:
        connection.execute(_CREATE)
        values = (record.number, zlib.compress(record_to_json(record).encode()))
        connection.execute("INSERT OR REPLACE INTO sweep_records VALUES (?, ?)", values)


def copied_numbers(study_folder: Path) -> list[int]:
    """Return the numbers of the trials whose records have a copy."""
    with database_connection(study_folder) as connection:
        connection.execute(_CREATE)
        return [row[0] for row in connection.execute("SELECT number FROM sweep_records ORDER BY number")]


def read_copy(study_folder: Path, number: int) -> TrialRecord | None:
    """Return the copy of a trial's record; None if there is no readable copy."""
    with database_connection(study_folder) as connection:
        connection.execute(_CREATE)
        row = connection.execute("SELECT record FROM sweep_records WHERE number = ?", (number,)).fetchone()
    if row is None:
        return None
    try:
        text = zlib.decompressobj().decompress(row[0], _MAX_BYTES).decode()
        return record_from_json(text, f"{study_folder / DATABASE}, trial {number}")
    except (zlib.error, UnicodeDecodeError, TypeError, RecordError):
        return None


def repair_records(study_folder: Path, unfinished: Collection[int]) -> list[str]:
    """Rename unreadable records, and restore unreadable and missing records from their copies.

    Args:
        study_folder: the study's folder; the caller must hold its lock.
        unfinished: numbers of trials that will run again, so they need no record.

    Returns:
        One sentence per repaired trial.

    Raises:
        DiskError: a file cannot be moved or written.
        StudyError: the database fails.
    """
    with disk_errors(study_folder / "trials"):
        damaged = _set_aside(study_folder)
        gone = [n for n in copied_numbers(study_folder) if not (trial_folder(study_folder, n) / RECORD_FILE).exists()]
        restored = [number for number in gone if number not in unfinished and _restore(study_folder, number)]
    missing = [number for number in restored if number not in damaged]
    return [f"trial {n}: its record was missing; restored from the study's database" for n in missing] + [
        f"trial {n}: {fault} {_repair_text(n, restored, unfinished)}" for n, fault in damaged.items()
    ]


def _repair_text(number: int, restored: Collection[int], unfinished: Collection[int]) -> str:
    moved = f"The file was renamed to {RECORD_FILE}{DAMAGED}"
    if number in restored:
        return f"{moved}, and the record was restored from the study's database"
    if number in unfinished:
        return f"{moved}, and the trial runs again"
    return f"{moved}; there is no copy of the record, so the trial counts but is not shown"


def _set_aside(study_folder: Path) -> dict[int, str]:
    """Rename the records that cannot be read; return what is wrong with each, by trial number."""
    found: dict[int, str] = {}
    for path in sorted((study_folder / "trials").glob(f"[0-9]*/{RECORD_FILE}")):
        try:
            read_record(path.parent)
        except RecordError as error:
            path.replace(path.with_name(RECORD_FILE + DAMAGED))
            if path.parent.name.isdecimal():
                found[int(path.parent.name)] = str(error).split(". ")[0] + "."
    return found


def _restore(study_folder: Path, number: int) -> bool:
    record = read_copy(study_folder, number)
    if record is None:
        return False
    folder = trial_folder(study_folder, number)
    if record.model_file is not None and not (folder / record.model_file).is_file():
        # The model was removed after the copy was made, because other trials were better.
        record = dataclasses.replace(record, model_file=None)
    write_record(folder, record)
    return True
