"""Repairing a study: building its database again from its records, and from the copies in the old database."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweep.errors import DiskError, SpaceError, StudyError
from sweep.records.atomic_writing import move_into_place, remove
from sweep.records.disk import disk_errors
from sweep.records.study_records import DATABASE, DATABASE_LOGS, no_study, recorded_numbers, repair_advice
from sweep.records.trial_record import RECORD_FILE, TrialRecord, trial_folder
from sweep.space.reader import read_space, space_from_text
from sweep.space.space import Space
from sweep.study.fork_study import misfit
from sweep.study.frozen_trials import frozen_trial
from sweep.study.open_study import complete_new_study, create_in_storage, stored_space
from sweep.study.optuna_tables import read_trials
from sweep.study.record_backups import DAMAGED, read_copies, restore_records, unpacked, write_copy
from sweep.study.samplers import make_sampler
from sweep.study.storage import LOCKED, close_storage, open_storage, storage_errors
from sweep.study.study_comparison import reached, readable_record, require_agreement, require_database
from sweep.study.working_copy import WorkingCopy

_SPACE_FILE = "space.yaml"
_MAKING = ".making"
"""Folder in the study's folder for the new database, and for the copy of the old one that is read."""


@dataclass(frozen=True)
class Repair:
    """The result of a repair.

    Attributes:
        fault: what was wrong with the database; None if it agreed with the records and was not rebuilt.
        states: the number of trials in the new database by the state of their record.
        lost: numbers of trials without a readable record or copy; they count as failed and are not shown.
        moved: new names of the old database's files.
        restored: one sentence per repaired record.
        waiting: the number of start points that are not tried yet.
        sampler: the study's sampler.
    """

    fault: str | None
    states: Mapping[str, int]
    lost: tuple[int, ...]
    moved: tuple[str, ...]
    restored: tuple[str, ...]
    waiting: int
    sampler: str


def repair_study(folder: Path, check_folder: Callable[[], None]) -> Repair:
    """Rebuild the database of a study, unless it agrees with the records. The old database's files are only renamed.

    Args:
        folder: the study's folder; the caller must hold its lock.
        check_folder: called before every write; raises an error if the study's folder was moved.

    Raises:
        StudyError: there is nothing to rebuild the database from, or a record is not one of this study's trials.
        DiskError: a file cannot be moved or written.
    """
    if not any((folder / name).exists() for name in (DATABASE, *DATABASE_LOGS)) and not recorded_numbers(folder):
        raise StudyError(no_study(folder))
    fault, unfinished = _compare(folder)
    check_folder()
    if fault is None:
        return Repair(None, {}, (), (), tuple(restore_records(folder, unfinished, read_copies(folder))), 0, "")
    making = folder / _MAKING
    with disk_errors(making):
        remove(making)
        making.mkdir()
        old = _copy_old_database(folder, making)
    space = _find_space(folder, old)
    records = _newest_records(folder, space, old)
    waiting = _build(folder, making, space, records)
    check_folder()
    # First, because after a kill between the next two steps, there is no database with copies of the records.
    restored = restore_records(folder, (), read_copies(making))
    check_folder()
    with disk_errors(folder):
        moved = _move_aside(folder)
        move_into_place(making / DATABASE, folder / DATABASE)
        shutil.rmtree(making)
    states = [record.state for record in records.values()]
    return Repair(
        fault=fault,
        states={state: states.count(state) for state in dict.fromkeys(states)},
        lost=tuple(number for number in range(_count(records)) if number not in records),
        moved=moved,
        restored=tuple(restored),
        waiting=waiting,
        sampler=space.search.sampler,
    )


def _compare(folder: Path) -> tuple[str | None, list[int]]:
    """Return what is wrong with the database, or None, and the numbers of the interrupted trials in it.

    Raises:
        DiskError: the disk fails.
        StudyError: another process writes to the database.
    """
    try:
        require_database(folder)
        space, trials = stored_space(folder), _stored_trials(folder)
        require_agreement(folder, space, trials, read_copies(folder))
    except DiskError:
        raise
    except StudyError as error:
        if LOCKED in str(error):
            raise
        return str(error).removesuffix(f". {repair_advice(folder)}"), []
    except Exception as error:  # Optuna does not check what it reads
        return f"{folder / DATABASE}: cannot be read: {type(error).__name__}: {error}", []
    return None, [trial.number for trial in trials if trial.state == TrialState.RUNNING]


def _stored_trials(folder: Path) -> list[FrozenTrial]:
    storage = open_storage(folder)
    try:
        with storage_errors(folder / DATABASE), storage.engine.connect() as connection:
            return list(read_trials(connection, storage.get_study_id_from_name(folder.name)))
    finally:
        close_storage(storage, folder)


def _copy_old_database(folder: Path, making: Path) -> Path:
    """Copy the database with its log, because SQLite changes both when it opens them; return the path of the copy."""
    old = making / "old.db"
    for name in (DATABASE, DATABASE_LOGS[0]):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, making / name.replace(DATABASE, old.name))
    return old


def _find_space(folder: Path, old: Path) -> Space:
    try:
        return read_space(folder / _SPACE_FILE)
    except SpaceError as error:
        fault = str(error).splitlines()[0]
    with suppress(sqlite3.Error, ValueError, SpaceError, TypeError), closing(sqlite3.connect(old)) as connection:
        query = (
            "SELECT value_json FROM study_user_attributes JOIN studies USING (study_id) "
            "WHERE key = 'sweep.space' AND study_name = ?"
        )
        (text,) = connection.execute(query, (folder.name,)).fetchone()
        return space_from_text(json.loads(text), str(folder / _SPACE_FILE))
    raise StudyError(
        f"the database of the study {folder.name} cannot be rebuilt, because its space is neither in {_SPACE_FILE} "
        f"({fault}) nor in the old database; restore {folder / _SPACE_FILE} and run the same command again"
    )


def _newest_records(folder: Path, space: Space, old: Path) -> dict[int, TrialRecord]:
    """Return the trials' records by number: of each file and its copy in the old database, the newer one.

    Raises:
        StudyError: a record is not one of this study's trials.
    """
    files = {number: _record_in_file(folder, number) for number in recorded_numbers(folder)}
    wrong = {number: _why_foreign(folder, number, record, space) for number, record in files.items() if record}
    if found := {number: why for number, why in wrong.items() if why}:
        numbers, why = ", ".join(map(str, found)), next(iter(found.values()))
        raise StudyError(
            f"the folders of these trials hold records that are not of the study {folder.name}: {numbers} ({why}). "
            f"Move these folders out of {folder / 'trials'}, or restore {_SPACE_FILE}, and run the same command again"
        )
    copies = _readable_copies(old, files)
    newest = {number: record for number, record in files.items() if record}
    for number, copy in copies.items():
        record = newest.get(number)
        if _why_foreign(folder, number, copy, space):
            continue  # the old database is another study's
        if record is None or (_is_same_trial(record, copy) and reached(copy) > reached(record)):
            newest[number] = copy
    return dict(sorted(newest.items()))


def _record_in_file(folder: Path, number: int) -> TrialRecord | None:
    with suppress(OSError):
        return readable_record((trial_folder(folder, number) / RECORD_FILE).read_bytes())
    return None


def _why_foreign(folder: Path, number: int, record: TrialRecord, space: Space) -> str | None:
    """Return why a record cannot be of this study's trial with this number; None if it can."""
    if (record.study, record.number) != (folder.name, number):
        return f"trial {number} has the record of trial {record.number} of the study {record.study}"
    why = misfit(record, space, record.values)
    return why and f"trial {number} is not a point of {_SPACE_FILE}: {why}"


def _is_same_trial(record: TrialRecord, copy: TrialRecord) -> bool:
    return (record.started, record.values) == (copy.started, copy.values)


def _readable_copies(old: Path, numbers: Iterable[int]) -> dict[int, TrialRecord]:
    """Return the copies in the old database, which may be damaged or missing.

    Each copy is read by itself, because a query for all of them fails at the first damaged page.
    """
    with closing(sqlite3.connect(old)) as connection:
        highest = max(numbers, default=-1)
        with suppress(sqlite3.Error, TypeError):
            highest = max(highest, *connection.execute("SELECT max(number) FROM sweep_records").fetchone())
        found = {}
        for number in range(highest + 1):
            with suppress(sqlite3.Error, TypeError):
                query = "SELECT record FROM sweep_records WHERE number = ?"
                found[number] = readable_record(unpacked(*connection.execute(query, (number,)).fetchone()))
    return {number: record for number, record in found.items() if record}


def _count(records: Mapping[int, TrialRecord]) -> int:
    return max(records, default=-1) + 1


def _build(folder: Path, making: Path, space: Space, records: Mapping[int, TrialRecord]) -> int:
    """Build the new database in a temporary folder; return the number of start points that are not tried yet.

    A number without a record becomes a failed trial without values, because the other trials must keep their numbers.
    """
    lost = create_trial(state=TrialState.FAIL, user_attrs={"state": "failed", "reason": "its record was lost"})
    with storage_errors(folder / DATABASE):
        storage = open_storage(making, create=True)
        create_in_storage(folder.name, storage, space)
        copy = WorkingCopy(storage, folder.name, check_folder=lambda: None, is_drawn=lambda _: True)
        handle = optuna.load_study(study_name=folder.name, storage=copy)
        for number in range(_count(records)):
            trial = frozen_trial(records[number], space) if number in records else lost
            copy.create_new_trial(handle._study_id, trial)
        _skip_used_points(handle, space, _count(records))
        complete_new_study(handle, space)
        with copy.commit() as connection:
            for record in records.values():
                write_copy(connection, record)
        copy.close()
        close_storage(storage, making)
    return len(handle.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def _skip_used_points(handle: optuna.Study, space: Space, started: int) -> None:
    """Continue the sequence of the sampler `qmc` behind its earlier points; otherwise it would propose them again.

    Optuna counts the points in an attribute of the study. The first trial is not in the sequence.
    """
    sampler = make_sampler(space.search, 0)
    ended = handle.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    if isinstance(sampler, optuna.samplers.QMCSampler) and ended and started > 1:
        sampler._find_sample_id(handle, sampler.infer_relative_search_space(handle, ended[0]))
        for key in handle._storage.get_study_system_attrs(handle._study_id):
            handle._storage.set_study_system_attr(handle._study_id, key, started - 2)


def _move_aside(folder: Path) -> tuple[str, ...]:
    """Rename the old database's files, so that SQLite still opens them together; return their new names."""
    names = [name for name in (DATABASE, *DATABASE_LOGS) if (folder / name).exists()]
    suffix, count = DAMAGED, 1
    while any((folder / name.replace(DATABASE, DATABASE + suffix)).exists() for name in (DATABASE, *DATABASE_LOGS)):
        count += 1
        suffix = f"{DAMAGED}.{count}"
    for name in names:
        (folder / name).rename(folder / name.replace(DATABASE, DATABASE + suffix))
    return tuple(name.replace(DATABASE, DATABASE + suffix) for name in names)
