"""Mending a study's folder before it goes on: a record that cannot be read must not be in the way of all others."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path

from sweep.errors import RecordError
from sweep.records.disk import disk_errors
from sweep.records.trial_record import RECORD_FILE, TrialRecord, read_record, trial_folder, write_record
from sweep.study.record_copies import copied_numbers, read_copy

DAMAGED = ".damaged"
"""What the name of a file or folder that was set aside ends with; nothing is ever removed."""


def repair_records(study_folder: Path, unfinished: Collection[int]) -> list[str]:
    """Set aside the records that cannot be read, and restore them, and those that are gone, from their copies.

    Args:
        study_folder: its lock must be held.
        unfinished: trials that are run again anyway, and so need no record.

    Returns:
        A sentence for each trial that something was done for.

    Raises:
        DiskError: a file cannot be moved or written.
        StudyError: the database fails.
    """
    with disk_errors(study_folder / "trials"):
        damaged = _set_aside(study_folder)
        gone = [n for n in copied_numbers(study_folder) if not (trial_folder(study_folder, n) / RECORD_FILE).exists()]
        restored = [number for number in gone if number not in unfinished and _restore(study_folder, number)]
    told = [f"trial {n}: its record was gone; restored from the study's database" for n in restored if n not in damaged]
    return told + [f"trial {n}: {fault} {_outcome(n, restored, unfinished)}" for n, fault in damaged.items()]


def _outcome(number: int, restored: Collection[int], unfinished: Collection[int]) -> str:
    aside = f"The file is set aside as {RECORD_FILE}{DAMAGED}"
    if number in restored:
        return f"{aside}, and the record restored from the study's database"
    if number in unfinished:
        return f"{aside}, and the trial is run again"
    return f"{aside}; there is no copy of it, so the trial counts but is not shown"


def _set_aside(study_folder: Path) -> dict[int, str]:
    """What is wrong with each record that cannot be read, by the trial's number."""
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
    write_record(folder, _with_its_files(record, folder))
    return True


def _with_its_files(record: TrialRecord, folder: Path) -> TrialRecord:
    """The model may have been removed since the copy was made, when others became better."""
    if record.model_file is None or (folder / record.model_file).is_file():
        return record
    return dataclasses.replace(record, model_file=None)
