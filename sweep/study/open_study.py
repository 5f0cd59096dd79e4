"""Opening a study: creating a new study, or continuing a study whose space is unchanged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.storages import RDBStorage

from sweep.errors import SpaceError, StudyError
from sweep.records.atomic_writing import move_into_place, remove
from sweep.records.disk import disk_errors
from sweep.records.held_file import HeldFile
from sweep.records.study_records import DATABASE, DATABASE_LOGS, no_study, recorded_numbers, repair_advice
from sweep.space.config import direction_of
from sweep.space.reader import space_from_text
from sweep.space.space import Space
from sweep.space.writer import Difference, differences, space_to_mapping, space_to_yaml
from sweep.study.optuna_parameters import to_optuna
from sweep.study.optuna_study import OptunaStudy, is_drawn
from sweep.study.optuna_tables import has_started_trials
from sweep.study.record_backups import read_copies
from sweep.study.storage import close_storage, open_storage, storage_errors
from sweep.study.study_comparison import require_agreement, require_database
from sweep.study.working_copy import WorkingCopy

_SPACE = "sweep.space"
_FORMAT = "sweep.format"

_MAY_CHANGE = re.compile(r"study|search\.(trials|keep_models|watchdog|memory_limit|failures\..+)")
"""The keys that may change, because they do not affect the results of earlier trials."""


def open_study(folder: Path, space: Space, threads: int, check_folder: Callable[[], None]) -> OptunaStudy:
    """Open a study; create it if it does not exist.

    Args:
        folder: `studies/NAME`; the caller must hold its lock.
        space: the space to search; an existing study must have been started with the same space.
        threads: the number of threads per trial.
        check_folder: called before every write; raises an error if the study's folder was moved.

    Raises:
        StudyError: the study has another space (the message lists the differences), or its database is unusable or
            does not agree with its records.
    """
    require_database(folder)
    check_folder()
    if not (folder / DATABASE).exists():
        _create(folder, space)
    elif _has_no_trials(folder):
        # For example because the images were missing. Such a study may still get another space.
        for name in (*DATABASE_LOGS, DATABASE):
            (folder / name).unlink(missing_ok=True)
        _create(folder, space)
    storage = open_storage(folder)
    check = _database_check(folder, check_folder)
    with storage_errors(folder / DATABASE):
        _check_same_space(folder, optuna.load_study(study_name=folder.name, storage=storage), space)
        try:
            copy = WorkingCopy(storage, folder.name, check, lambda trial: is_drawn(trial, space))
        except (KeyError, TypeError, ValueError) as error:  # raised by `read_trials`
            fault = f"a trial cannot be read: {type(error).__name__}: {error}"
            raise StudyError(f"{folder / DATABASE}: {fault}. {repair_advice(folder)}") from error
    try:
        check()
        record_copies = read_copies(folder)
        require_agreement(folder, space, copy.get_all_trials(0, deepcopy=False), record_copies)
        return OptunaStudy(folder, space, copy, threads, record_copies)
    except BaseException:
        copy.close()
        raise


def _create(folder: Path, space: Space) -> None:
    with new_database(folder) as storage:
        complete_new_study(create_in_storage(folder.name, storage, space), space)


@contextmanager
def new_database(folder: Path) -> Iterator[RDBStorage]:
    """Yield an empty database in a temporary folder, and move it into the study's folder at the end of the block.

    Optuna creates its tables in many steps, and a database whose creation was interrupted is unusable.

    Raises:
        DiskError: the database cannot be written.
    """
    temporary = folder / ".making"
    with disk_errors(folder):
        remove(temporary)
        temporary.mkdir()
    with storage_errors(folder / DATABASE):
        storage = open_storage(temporary, create=True)
        yield storage
        close_storage(storage, temporary)
    with disk_errors(folder):
        move_into_place(temporary / DATABASE, folder / DATABASE)
        remove(temporary)


def _database_check(folder: Path, check_folder: Callable[[], None]) -> Callable[[], None]:
    """Return a check of the folder and of the database, which SQLite would write to wherever it was moved."""
    held = HeldFile.at(folder / DATABASE)

    def check() -> None:
        check_folder()
        if not held.is_in_place():
            raise StudyError(
                f"{held.path} was moved, removed or replaced while this process used it, so nothing more is written. "
                f"Put it back, or {repair_advice(folder)}"
            )

    return check


def _has_no_trials(folder: Path) -> bool:
    storage = open_storage(folder)
    try:
        with storage_errors(folder / DATABASE), storage.engine.connect() as connection:
            handle = optuna.load_study(study_name=folder.name, storage=storage)
            is_ours = _FORMAT in handle.user_attrs
            return is_ours and not has_started_trials(connection) and not recorded_numbers(folder)
    finally:
        close_storage(storage, folder)


def create_in_storage(name: str, storage: RDBStorage, space: Space) -> optuna.Study:
    """Create an empty study in a database; `complete_new_study` marks it as complete."""
    handle = optuna.create_study(study_name=name, storage=storage, direction=direction_of(space.search.objective))
    handle.set_user_attr(_FORMAT, 1)
    return handle


def complete_new_study(handle: optuna.Study, space: Space) -> None:
    """Enqueue the start points, except those that trials copied by `--fork` have tried; then mark it as complete."""
    for point in space.start_from:
        handle.enqueue_trial(to_optuna(space, point.values), user_attrs={"origin": point.name}, skip_if_exists=True)
    # Last, because without this attribute the creation of the study counts as interrupted.
    handle.set_user_attr(_SPACE, space_to_yaml(space))


def stored_space(folder: Path) -> Space:
    """Return the space that a study searches.

    Raises:
        StudyError: there is no such study, or it was not created by sweep.
    """
    if not (folder / DATABASE).is_file():
        raise StudyError(no_study(folder))
    storage = open_storage(folder)
    try:
        with storage_errors(folder / DATABASE):
            return _space_of(folder, optuna.load_study(study_name=folder.name, storage=storage))
    finally:
        close_storage(storage, folder)


def _space_of(folder: Path, handle: optuna.Study) -> Space:
    text = handle.user_attrs.get(_SPACE)
    if not isinstance(text, str):
        raise StudyError(
            f"{folder / DATABASE} was not created by sweep, or its creation was interrupted. {repair_advice(folder)}"
        )
    try:
        return space_from_text(text, str(folder / "space.yaml"))
    except SpaceError as error:
        raise StudyError(f"{folder / DATABASE}: the study's space cannot be read by this version: {error}") from None


def _check_same_space(folder: Path, handle: optuna.Study, space: Space) -> None:
    changed = space_differences(_space_of(folder, handle), space)
    if changed:
        lines = "\n".join(f"  {difference}" for difference in changed)
        raise StudyError(
            f"the study {folder.name} was started with another space:\n{lines}\n"
            "Use the old space, start another study with --study NAME, or copy the trials that still fit into a new "
            "study with --fork NAME"
        )


def space_differences(old: Space, new: Space) -> list[Difference]:
    """Return the differences between two spaces, without the keys that may change."""
    return [
        difference
        for difference in differences(space_to_mapping(old), space_to_mapping(new))
        if not _MAY_CHANGE.fullmatch(difference.key)
    ]
