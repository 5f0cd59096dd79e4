"""All trial records of a study, read from its folder without opening its database."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sweep.errors import StudyError
from sweep.invocation import command_text, home_option
from sweep.records.trial_record import RECORD_FILE, TrialRecord, read_record, trial_folder

DATABASE = "study.db"
DATABASE_LOGS = (f"{DATABASE}-wal", f"{DATABASE}-shm")
"""SQLite's files of a database that is open or was not closed. A log that is left applies to any file at its name."""


def read_records(study_folder: Path) -> list[TrialRecord]:
    """The trial records of a study, sorted by number. Any process can call this at any time: no database is opened.

    Raises:
        StudyError: there is no such study.
        RecordError: a record cannot be read.
    """
    require_study(study_folder)
    with _no_garbage_collection():
        trials = study_folder / "trials"
        return [read_record(trials / f"{number:04d}") for number in recorded_numbers(study_folder)]


def require_study(study_folder: Path) -> None:
    """Raise StudyError if there is no such study."""
    if not (study_folder / DATABASE).is_file():
        raise StudyError(no_study(study_folder))


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Pause the garbage collector: the records that are being read cannot be garbage, but it would check them often."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.freeze()
            gc.unfreeze()  # together: the records become old objects, which the collector does not check at once
            gc.enable()


def recorded_numbers(study_folder: Path) -> list[int]:
    """The numbers of the trials that have a record, readable or not, in ascending order.

    A folder without a record belongs to a trial that was killed before its first record.
    """
    trials = study_folder / "trials"
    names = os.listdir(trials) if trials.is_dir() else []
    # Texts, because 10,000 paths of pathlib take half a second.
    found = (name for name in names if name.isdecimal() and os.path.exists(f"{trials}/{name}/{RECORD_FILE}"))
    return sorted(int(name) for name in found if name == trial_folder(study_folder, int(name)).name)


def repair_advice(study_folder: Path) -> str:
    """What to do if a study's database is missing, damaged, or not the one of its records."""
    files = ", ".join((DATABASE, *DATABASE_LOGS))
    repair = f"{command_text('repair')} --study {study_folder.name}{home_option(study_folder.parent.parent)}"
    return (
        f"`{repair}` rebuilds the database from the records; to start from scratch, move the whole folder ({files} and "
        "trials/), or use another name with --study"
    )


def no_study(study_folder: Path) -> str:
    """A message about a study that does not exist, or whose database is missing."""
    if recorded_numbers(study_folder):
        return f"{study_folder / DATABASE} is missing, but trials/ has records. {repair_advice(study_folder)}"
    parent = study_folder.parent
    names = sorted(path.parent.name for path in parent.glob(f"*/{DATABASE}")) if parent.is_dir() else []
    there = (
        f"; existing studies: {', '.join(names)}"
        if names
        else f": there are no studies yet; `{command_text('run')} --space FILE` makes one"
    )
    return f"there is no study {study_folder.name} in {parent}{there}"


def ranked(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The complete trials, the best first; trials with equal objectives by number."""
    complete = [record for record in records if record.state == "complete" and record.objective_value is not None]
    sign = -1.0 if complete and complete[0].config.direction == "maximize" else 1.0
    return sorted(complete, key=lambda record: (sign * (record.objective_value or 0.0), record.number))


def find_record(study_folder: Path, number: int | None) -> TrialRecord:
    """A trial's record; None means the best trial.

    Raises:
        StudyError: there is no such study or trial, or no finished trial.
        RecordError: the record cannot be read.
    """
    if number is not None and (trial_folder(study_folder, number) / RECORD_FILE).is_file():
        return read_record(trial_folder(study_folder, number))  # does not read the others, which may be damaged
    records = read_records(study_folder)
    if number is None:
        best = ranked(records)
        if not best:
            raise StudyError(f"the study {study_folder.name} has no finished trial yet; choose a trial with --trial N")
        return best[0]
    there = f"its trials are 0 to {records[-1].number}" if records else "it has no trials"
    raise StudyError(f"the study {study_folder.name} has no trial {number}; {there}")
