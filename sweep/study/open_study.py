"""Making, resuming and forking studies."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import optuna
from optuna.trial import TrialState, create_trial

from sweep.errors import SpaceError, StudyError
from sweep.records.study_records import DATABASE, no_study, read_records
from sweep.records.trial_record import TrialRecord, trial_folder, write_record
from sweep.space.config import direction_of
from sweep.space.reader import space_from_text
from sweep.space.space import Space
from sweep.space.writer import Difference, differences, space_to_mapping, space_to_yaml
from sweep.study.optuna_parameters import optuna_distribution, to_optuna
from sweep.study.optuna_study import OptunaStudy
from sweep.study.record_copies import keep_copy
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
            handle = _create(folder.name, storage, space)
            _complete(handle, space)
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
        _complete(_create(folder.name, storage, space), space)
        close_storage(storage, aside)
    (aside / DATABASE).replace(folder / DATABASE)
    aside.rmdir()


def _never_begun(name: str, storage: optuna.storages.RDBStorage) -> bool:
    handle = optuna.load_study(study_name=name, storage=storage)
    states = {trial.state for trial in handle.get_trials(deepcopy=False)}
    return _FORMAT in handle.user_attrs and states <= {TrialState.WAITING}


def _create(name: str, storage: optuna.storages.RDBStorage, space: Space) -> optuna.Study:
    handle = optuna.create_study(study_name=name, storage=storage, direction=direction_of(space.search.objective))
    handle.set_user_attr(_FORMAT, 1)
    return handle


def _complete(handle: optuna.Study, space: Space) -> None:
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


@dataclasses.dataclass(frozen=True)
class Fork:
    """What a fork took along.

    Attributes:
        taken: how many trials.
        left: (number, reason) of those that do not fit.
    """

    taken: int
    left: tuple[tuple[int, str], ...]


def fork_study(old: Path, new: Path, space: Space) -> Fork:
    """Make a new study with the finished trials of another that are points of the new space.

    A trial fits if the new space can produce its very configuration: not only must its sampled values be inside the
    new ranges, the fixed values must be the same too, or its result would not be comparable.

    Args:
        old: folder of the study to take from; it is not changed.
        new: folder of the study to make; its lock must be held.
        space: of the new study.

    Raises:
        StudyError: there is no old study, a new one already, or no trial that fits.
        RecordError: a record of the old one cannot be read.
    """
    records = read_records(old)
    if (new / DATABASE).exists():
        raise StudyError(f"there is a study {new.name} already; choose another name for --fork")
    reasons = {record.number: misfit(record, space) for record in records}
    taken = [record for record in records if reasons[record.number] is None]
    if records and not taken:
        number, reason = next(iter(reasons.items()))
        raise StudyError(
            f"no trial of the study {old.name} fits the changed space (trial {number}: {reason}), so there is nothing "
            f"to take along; begin an empty study with --study {new.name}"
        )
    with storage_errors(new / DATABASE):
        handle = _create(new.name, open_storage(new), space)
        for number, record in enumerate(taken):
            _adopt(handle, new, record, space, number)
        _complete(handle, space)
    return Fork(len(taken), tuple((number, reason) for number, reason in reasons.items() if reason is not None))


def misfit(record: TrialRecord, space: Space) -> str | None:
    """Why a finished trial is no trial of this space; None if it is one."""
    if record.state not in ("complete", "pruned"):
        return record.state
    values = space.values_of(record.config)
    wrong = space.faults(values)
    if wrong:
        return "; ".join(wrong)
    config = space.config(values, seed=record.config.seed, threads=record.config.threads)
    if config == record.config:
        return None
    changed = differences(json.loads(_json(record.config)), json.loads(_json(config)))
    return "; ".join(str(difference) for difference in changed)


def _json(config: object) -> str:
    return json.dumps(dataclasses.asdict(config))  # type: ignore[call-overload]


def _adopt(handle: optuna.Study, folder: Path, record: TrialRecord, space: Space, number: int) -> None:
    values = space.values_of(record.config)
    complete = record.state == "complete"
    handle.add_trial(
        create_trial(
            state=TrialState.COMPLETE if complete else TrialState.PRUNED,
            value=record.objective_value if complete else None,
            params=to_optuna(space, values),
            distributions={p.name: optuna_distribution(p) for p in space.parameters if p.name in values},
            intermediate_values={m.epoch: m.value(space.search.objective) for m in record.epochs},
            user_attrs={"state": record.state, "reason": record.reason},
        )
    )
    origin = f"{record.study}/{record.number}"
    taken = dataclasses.replace(record, study=folder.name, number=number, values=values, origin=origin, model_file=None)
    write_record(trial_folder(folder, number), taken)
    keep_copy(folder, taken)
