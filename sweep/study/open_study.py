"""Opening a study: making a new one, or resuming one whose space is still the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import optuna
from optuna.trial import TrialState

from sweep.errors import SpaceError, StudyError
from sweep.records.atomic_writing import move_into_place
from sweep.records.study_records import DATABASE, no_study
from sweep.space.config import direction_of
from sweep.space.reader import space_from_text
from sweep.space.space import Space
from sweep.space.writer import Difference, differences, space_to_mapping, space_to_yaml
from sweep.study.optuna_parameters import to_optuna
from sweep.study.optuna_study import OptunaStudy
from sweep.study.storage import close_storage, open_storage, storage_errors

_SPACE = "sweep.space"
_FORMAT = "sweep.format"

_MAY_CHANGE = ("study", "search.trials", "search.keep_models", "search.watchdog", "search.memory_limit")
"""Keys that change nothing about what has been tried."""
_FAILURES = "search.failures."
"""Nor do the keys below this one."""


def open_study(folder: Path, space: Space, threads: int) -> OptunaStudy:
    """Open a study, or make it.

    Args:
        folder: `studies/NAME`; its lock must be held.
        space: what is searched; must be the one that the study began with.
        threads: of each trial.

    Raises:
        StudyError: the study holds another space (with the differences), or its database cannot be used.
    """
    if not (folder / DATABASE).exists():
        _make(folder, space)
    storage = open_storage(folder)
    with storage_errors(folder / DATABASE):
        if _never_begun(folder.name, storage):
            # Nothing was tried, say because the images could not be had: the next space may be another one.
            optuna.delete_study(study_name=folder.name, storage=storage)
            handle = create_in_storage(folder.name, storage, space)
            complete_new_study(handle, space)
        else:
            handle = optuna.load_study(study_name=folder.name, storage=storage)
            _check_same_space(folder, handle, space)
    return OptunaStudy(folder, space, handle, threads)


def _make(folder: Path, space: Space) -> None:
    """Make the database aside and move it into place when it is complete.

    Optuna makes its tables in many steps, and a database that was cut off between two of them is of no use.
    """
    aside = folder / ".making"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir()
    except OSError as error:
        raise StudyError(f"the study's folder {folder} cannot be written: {error.strerror}") from None
    with storage_errors(folder / DATABASE):
        storage = open_storage(aside)
        complete_new_study(create_in_storage(folder.name, storage, space), space)
        close_storage(storage, aside)
    move_into_place(aside / DATABASE, folder / DATABASE)
    aside.rmdir()


def _never_begun(name: str, storage: optuna.storages.RDBStorage) -> bool:
    handle = optuna.load_study(study_name=name, storage=storage)
    states = {trial.state for trial in handle.get_trials(deepcopy=False)}
    return _FORMAT in handle.user_attrs and states <= {TrialState.WAITING}


def create_in_storage(name: str, storage: optuna.storages.RDBStorage, space: Space) -> optuna.Study:
    """A study without points in a database; `complete_new_study` marks it as whole."""
    handle = optuna.create_study(study_name=name, storage=storage, direction=direction_of(space.search.objective))
    handle.set_user_attr(_FORMAT, 1)
    return handle


def complete_new_study(handle: optuna.Study, space: Space) -> None:
    """Queue the points to begin with, unless they have been tried already (by trials that a fork took along)."""
    for point in space.start_from:
        handle.enqueue_trial(to_optuna(space, point.values), user_attrs={"origin": point.name}, skip_if_exists=True)
    # Last, because it marks the study as complete: one without it was cut off while being made.
    handle.set_user_attr(_SPACE, space_to_yaml(space))


def stored_space(folder: Path) -> Space:
    """The space that a study searches.

    Raises:
        StudyError: there is no such study, or it was not made by sweep.
    """
    if not (folder / DATABASE).is_file():
        raise StudyError(no_study(folder))
    storage = open_storage(folder)
    with storage_errors(folder / DATABASE):
        return _space_of(folder, optuna.load_study(study_name=folder.name, storage=storage))


def _space_of(folder: Path, handle: optuna.Study) -> Space:
    text = handle.user_attrs.get(_SPACE)
    if not isinstance(text, str):
        raise StudyError(
            f"{folder / DATABASE} was not made by sweep, or was cut off while being made; "
            "remove the folder or choose another name with --study NAME"
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
            f"the study {folder.name} was begun with another space:\n{lines}\n"
            f"Go on with the old one, start another study with --study NAME, or take the trials that still fit "
            f"along with --fork NAME"
        )


def space_differences(old: Space, new: Space) -> list[Difference]:
    """What differs, without the keys that change nothing about what has been tried."""
    return [
        difference
        for difference in differences(space_to_mapping(old), space_to_mapping(new))
        if difference.key not in _MAY_CHANGE and not difference.key.startswith(_FAILURES)
    ]
