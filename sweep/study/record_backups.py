"""The database's copies of trial records, and restoring records from them.

Every transaction that changes a trial also writes a copy of its record, so the copies are always up to date. They are
in a separate table of the study's database, so that no sampler loads them.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path

from sqlalchemy import Connection

from sweep.errors import RecordError
from sweep.records.disk import disk_errors
from sweep.records.study_records import DATABASE, recorded_numbers
from sweep.records.trial_record import (
    RECORD_FILE,
    TrialRecord,
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
_FAST = 1
"""Compression level of zlib: level 6 takes twice as long and saves 10 %."""


def write_copy(connection: Connection, record: TrialRecord) -> None:
    """Store a copy of a record, which replaces an older copy, in the connection's transaction."""
    connection.exec_driver_sql(_CREATE)
    values = (record.number, zlib.compress(record_to_json(record).encode(), _FAST))
    connection.exec_driver_sql("INSERT OR REPLACE INTO sweep_records VALUES (?, ?)", values)


def read_copies(study_folder: Path) -> dict[int, bytes]:
    """Return the texts of all readable copies, by the trial's number.

    Raises:
        StudyError: the database fails.
    """
    with database_connection(study_folder) as connection:
        connection.execute(_CREATE)
        rows = connection.execute("SELECT number, record FROM sweep_records ORDER BY number").fetchall()
    texts = {number: unpacked(content) for number, content in rows}
    return {number: text for number, text in texts.items() if text is not None}


def unpacked(copy: object) -> bytes | None:
    """Return the text of a compressed copy of a record; None if it is damaged."""
    try:
        return zlib.decompressobj().decompress(copy, _MAX_BYTES)  # type: ignore[arg-type]  # SQLite has no types
    except (zlib.error, TypeError):
        return None


def restore_records(study_folder: Path, unfinished: Collection[int], copies: Mapping[int, bytes]) -> list[str]:
    """Rename unreadable records, and restore unreadable, missing and outdated records from their copies.

    A record is outdated if a kill or a power cut came between the database and the file.

    Args:
        study_folder: the study's folder; the caller must hold its lock.
        unfinished: numbers of trials that will run again, so they need no record.
        copies: the result of `read_copies`.

    Returns:
        One sentence per damaged or missing record.

    Raises:
        DiskError: a file cannot be moved or written.
    """
    numbers = sorted({*recorded_numbers(study_folder), *copies})
    with disk_errors(study_folder / "trials"):
        found = [_restore(study_folder, number, copies.get(number), unfinished) for number in numbers]
    return [sentence for sentence in found if sentence]


def _restore(study_folder: Path, number: int, copy: bytes | None, unfinished: Collection[int]) -> str | None:
    """Restore a record if that is needed; return a sentence if it was damaged or missing."""
    path = trial_folder(study_folder, number) / RECORD_FILE
    content = path.read_bytes() if path.exists() else None
    if content == copy:
        return None
    record, fault = _parse(content, str(path))
    copied, _ = _parse(copy, f"{study_folder / DATABASE}, trial {number}")
    if copied is not None and copied.model_file is not None and not (path.parent / copied.model_file).is_file():
        copied = dataclasses.replace(copied, model_file=None)  # removed, because other trials were better
    if fault:
        path.replace(path.with_name(RECORD_FILE + DAMAGED))
    if copied is not None and copied != record:
        write_record(path.parent, copied)
    if fault:
        return f"trial {number}: {fault} {_repair_text(copied is not None, number in unfinished)}"
    if content is None and copied is not None:
        return f"trial {number}: its record was missing; restored from the study's database"
    return None


def _parse(content: bytes | None, source: str) -> tuple[TrialRecord | None, str]:
    """Return a record and what is wrong with its text; None and "" if there is no text."""
    if content is None:
        return None, ""
    try:
        return record_from_json(content, source), ""
    except RecordError as error:
        return None, str(error).split(". ")[0] + "."


def _repair_text(restored: bool, unfinished: bool) -> str:
    moved = f"The file was renamed to {RECORD_FILE}{DAMAGED}"
    if restored:
        return f"{moved}, and the record was restored from the study's database"
    if unfinished:
        return f"{moved}, and the trial runs again"
    return f"{moved}; there is no copy of the record, so the trial counts but is not shown"
