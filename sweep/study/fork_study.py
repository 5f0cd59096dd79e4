"""Forking a study: creating a new study with those trials of another study that fit the new space."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from sweep.errors import StudyError
from sweep.records.study_records import DATABASE, read_records
from sweep.records.trial_record import TrialRecord, record_to_mapping, trial_folder, write_record
from sweep.space.parameters import Values
from sweep.space.space import Space
from sweep.space.writer import differences
from sweep.study.frozen_trials import frozen_trial
from sweep.study.open_study import complete_new_study, create_in_storage, new_database
from sweep.study.optuna_tables import write_trials
from sweep.study.record_backups import write_copy
from sweep.study.study_comparison import require_database


@dataclasses.dataclass(frozen=True)
class Fork:
    """The result of a fork.

    Attributes:
        taken: the number of copied trials.
        left: (number, reason) of each trial that was not copied.
    """

    taken: int
    left: tuple[tuple[int, str], ...]


def fork_study(old: Path, new: Path, space: Space, check_folder: Callable[[], None]) -> Fork:
    """Create a new study with the finished trials of another study that fit the new space.

    A trial fits if the new space can produce exactly its configuration: its sampled values must be inside the new
    ranges, and the fixed values must be equal; otherwise its result would not be comparable.

    Args:
        old: folder of the study to copy from; it is not changed.
        new: folder of the study to create; the caller must hold its lock.
        space: the new study's space.
        check_folder: called before every write; raises an error if the new study's folder was moved.

    Raises:
        StudyError: the old study does not exist, the new study already exists, or no trial fits.
        RecordError: a record of the old study cannot be read.
    """
    records = read_records(old)
    if (new / DATABASE).exists():
        raise StudyError(f"the study {new.name} exists already; choose another name for --fork")
    reasons = {record.number: incompatibility(record, space) for record in records}
    taken = [record for record in records if reasons[record.number] is None]
    if records and not taken:
        number, reason = next(iter(reasons.items()))
        raise StudyError(
            f"no trial of the study {old.name} fits the changed space (trial {number}: {reason}), so there is nothing "
            f"to copy; start an empty study with --study {new.name}"
        )
    copies = [_copy(record, number, new.name, space) for number, record in enumerate(taken)]
    require_database(new)
    check_folder()
    with new_database(new) as storage:
        handle = create_in_storage(new.name, storage, space)
        with storage.engine.begin() as connection:
            write_trials(connection, handle._study_id, [frozen_trial(copy, space) for copy in copies])
            for copy in copies:
                write_copy(connection, copy)
        complete_new_study(handle, space)
        check_folder()
    for copy in copies:  # if this process is killed here, they are restored from the database
        check_folder()
        write_record(trial_folder(new, copy.number), copy)
    return Fork(len(taken), tuple((number, reason) for number, reason in reasons.items() if reason is not None))


def incompatibility(record: TrialRecord, space: Space) -> str | None:
    """Return why a trial cannot be copied to a study with this space; None if it can."""
    if record.state not in ("complete", "pruned"):
        return record.state
    return misfit(record, space, space.values_of(record.config))


def misfit(record: TrialRecord, space: Space, values: Values) -> str | None:
    """Return why a space cannot produce a trial's configuration from these values; None if it can."""
    faults = space.faults(values)
    if faults:
        return "; ".join(faults)
    config = space.config(values, seed=record.config.seed, threads=record.config.threads)
    if config == record.config:
        return None
    old, new = record_to_mapping(record), record_to_mapping(dataclasses.replace(record, config=config))
    return "; ".join(str(difference) for difference in differences(old["config"], new["config"]))


def _copy(record: TrialRecord, number: int, study: str, space: Space) -> TrialRecord:
    values, origin = space.values_of(record.config), f"{record.study}/{record.number}"
    return dataclasses.replace(record, study=study, number=number, values=values, origin=origin, model_file=None)
