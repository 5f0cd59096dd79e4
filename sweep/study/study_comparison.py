"""Comparing a study's database with its trial records, in both directions, before a run continues the study."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from sweep.errors import RecordError, StudyError
from sweep.records.study_records import DATABASE, DATABASE_LOGS, no_study, recorded_numbers, repair_advice
from sweep.records.trial_record import RECORD_FILE, TrialRecord, has_ended, record_from_json, trial_folder
from sweep.space.fields import Value
from sweep.space.parameters import is_number, mirrored, same
from sweep.space.space import Space

_MODEL_FILE = re.compile(rb'^  "model_file": .*$', re.MULTILINE)
"""A line that may differ: the models of lesser trials are removed."""


def require_database(study_folder: Path) -> None:
    """Check that a study without a database has no trials: their numbers would be given to new trials.

    Raises:
        StudyError: there are records, or SQLite's log of a removed database, which would bring its content back.
    """
    if (study_folder / DATABASE).exists():
        return
    left = [name for name in DATABASE_LOGS if (study_folder / name).exists()]
    if left:
        names = " and ".join(left)
        raise StudyError(f"{study_folder} has {names}, but no {DATABASE}. {repair_advice(study_folder)}")
    if recorded_numbers(study_folder):
        raise StudyError(no_study(study_folder))


def require_agreement(
    study_folder: Path, space: Space, trials: Sequence[FrozenTrial], copies: Mapping[int, bytes]
) -> None:
    """Check that the database and the records are of the same trials, and that the database is not an older copy.

    A crash may leave a trial that ended after the database was last written, and a record that is damaged, missing or
    older than its copy in the database. All of these agree with the database.

    Args:
        study_folder: the study's folder; the caller must hold its lock.
        space: the study's space.
        trials: the trials in the database, by number.
        copies: the result of `read_copies`.

    Raises:
        StudyError: they do not agree; the message names the first trial and the difference.
    """
    for number in recorded_numbers(study_folder):
        content = _content(study_folder, number)
        copy = copies.get(number)
        if number >= len(trials):
            difference = f"{DATABASE} has only {len(trials)} trials, so it is older"
        elif trials[number].state == TrialState.WAITING:
            difference = f"the trial has not started according to {DATABASE}, so it is older"
        elif copy is not None and (content == copy or _MODEL_FILE.sub(b"", content) == _MODEL_FILE.sub(b"", copy)):
            continue
        else:
            record, kept = readable_record(content), readable_record(copy)
            difference = _difference(trials[number], record, kept, space) if record else ""
        if difference:
            raise StudyError(
                f"{trial_folder(study_folder, number) / RECORD_FILE} does not agree with the study's database: "
                f"{difference}. {repair_advice(study_folder)}"
            )


def _difference(trial: FrozenTrial, record: TrialRecord, kept: TrialRecord | None, space: Space) -> str:
    """Return how a record differs from the database's trial and its copy of the record; "" if they agree."""
    if not _has_values(trial, record, space):
        return f"the trial has other values in {DATABASE}"
    # A record with other epochs is older: the database has the epochs that a resumed trial trained again.
    if kept is not None and reached(record) > reached(kept) and record.epochs[: len(kept.epochs)] == kept.epochs:
        return f"the record {_progress_text(record)}, its copy in {DATABASE} {_progress_text(kept)}"
    newest = kept or record
    if trial.state.is_finished() and not has_ended(newest):
        return f"the record is {record.state}, but the trial has ended according to {DATABASE}"
    return ""


def _has_values(trial: FrozenTrial, record: TrialRecord, space: Space) -> bool:
    parameters = {parameter.name: parameter for parameter in space.parameters}
    if trial.params.keys() != record.values.keys() or not record.values.keys() <= parameters.keys():
        return False
    values = {name: mirrored(parameters[name], value) for name, value in trial.params.items()}
    return all(_equal(values[name], value) for name, value in record.values.items())


def _equal(a: Value, b: Value) -> bool:
    """True for equal values; a value that was mirrored twice may differ by rounding."""
    return same(a, b) or (is_number(a) and is_number(b) and math.isclose(a, b, rel_tol=1e-9))


def reached(record: TrialRecord) -> tuple[bool, int]:
    """Return a key that grows while a trial runs: whether it has ended, and its number of finished epochs."""
    return has_ended(record), len(record.epochs)


def _progress_text(record: TrialRecord) -> str:
    return f"is {record.state}" if has_ended(record) else f"ends at epoch {len(record.epochs)}"


def readable_record(content: bytes | None) -> TrialRecord | None:
    """Return the record with this text; None if there is none or it is damaged."""
    try:
        return record_from_json(content, RECORD_FILE) if content is not None else None
    except RecordError:
        return None


def _content(study_folder: Path, number: int) -> bytes:
    """Return the content of a record's file; b"" if it cannot be read."""
    try:
        return (trial_folder(study_folder, number) / RECORD_FILE).read_bytes()
    except OSError:
        return b""
