"""Database and records that do not belong together are refused; what a crash leaves is not."""

from __future__ import annotations

import shutil
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from sweep.errors import StudyError
from sweep.records.trial_record import TrialRecord, read_record, record_to_json, write_record
from sweep.space.space import Space
from sweep.study.record_backups import read_copies
from sweep.study.study_comparison import require_agreement, require_database
from tests.fakes import LINE, make_record, make_space, make_study
from tests.study.conftest import SPACE, run_supervised

ADVICE = (
    "`python -m sweep.repair --study demo --home {}` rebuilds the database from the records; to start from scratch, "
    "move the whole folder (study.db, study.db-wal, study.db-shm and trials/), or use another name with --study"
)


def compare(folder: Path, space: Space) -> None:
    trials = optuna.load_study(study_name="demo", storage=f"sqlite:///{folder}/study.db").get_trials()
    require_agreement(folder, space, trials, read_copies(folder))


def refusal(folder: Path, space: Space) -> str:
    with pytest.raises(StudyError) as caught:
        compare(folder, space)
    message = str(caught.value)
    assert message.endswith(f". {ADVICE.format(folder.parent.parent)}")
    return message.removesuffix(f". {ADVICE.format(folder.parent.parent)}")


def trial_folder(folder: Path, number: int) -> Path:
    return folder / "trials" / f"{number:04d}"


def put_copy(folder: Path, record: TrialRecord) -> None:
    with closing(sqlite3.connect(folder / "study.db")) as connection, connection:
        connection.execute(
            "INSERT OR REPLACE INTO sweep_records VALUES (?, ?)",
            (record.number, zlib.compress(record_to_json(record).encode())),
        )


def remove_copy(folder: Path, number: int) -> None:
    with closing(sqlite3.connect(folder / "study.db")) as connection, connection:
        connection.execute("DELETE FROM sweep_records WHERE number = ?", (number,))


def test_an_undisturbed_study_agrees(whole: Path) -> None:
    require_database(whole)
    compare(whole, SPACE)


def test_a_study_without_trials_agrees(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    require_database(folder)
    make_study(folder)
    compare(folder, make_space())


def test_records_without_a_database_are_refused(whole: Path) -> None:
    (whole / "study.db").unlink()
    with pytest.raises(StudyError) as caught:
        require_database(whole)
    assert str(caught.value) == (
        f"{whole}/study.db is missing, but trials/ has records. {ADVICE.format(whole.parent.parent)}"
    )


@pytest.mark.parametrize("name", ["study.db-wal", "study.db-shm"])
def test_a_log_without_its_database_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "studies" / "demo"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(b"of a removed database")
    with pytest.raises(StudyError) as caught:
        require_database(folder)
    assert str(caught.value) == f"{folder} has {name}, but no study.db. {ADVICE.format(tmp_path)}"


def test_an_older_copy_of_the_database_is_refused(whole: Path, tmp_path: Path) -> None:
    older = tmp_path / "older" / "demo"
    run_supervised(older, SPACE, 7)
    shutil.copy(older / "study.db", whole / "study.db")
    assert refusal(whole, SPACE) == (
        f"{whole}/trials/0007/trial.json does not agree with the study's database: study.db has only 7 trials, so it "
        "is older"
    )


def test_a_record_of_a_start_point_that_waits_in_the_database_is_refused(tmp_path: Path) -> None:
    space = make_space(more="start_from: [{learning_rate: 0.5}, {learning_rate: 0.25}]")
    folder = tmp_path / "demo"
    run_supervised(folder, space, 1)
    write_record(trial_folder(folder, 1), make_record(1, (0.5,), values={"learning_rate": 0.25}))
    assert refusal(folder, space).endswith(
        "0001/trial.json does not agree with the study's database: the trial has not started according to study.db, so "
        "it is older"
    )


def test_the_database_of_a_study_with_other_trials_is_refused(tmp_path: Path) -> None:
    run_supervised(tmp_path / "a" / "demo", make_space(search="sampler: random, seed: 1"), 2)
    run_supervised(tmp_path / "b" / "demo", make_space(search="sampler: random, seed: 2"), 2)
    shutil.copy(tmp_path / "b" / "demo" / "study.db", tmp_path / "a" / "demo" / "study.db")
    message = refusal(tmp_path / "a" / "demo", make_space(search="sampler: random, seed: 1"))
    assert message.endswith(": the trial has other values in study.db")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"state": "running"}, "the record is complete, its copy in study.db ends at epoch 9"),
        ({"state": "interrupted", "epochs": ()}, "the record is complete, its copy in study.db ends at epoch 0"),
    ],
)
def test_a_record_that_is_ahead_of_its_copy_is_refused(whole: Path, changes: dict[str, object], text: str) -> None:
    record = read_record(trial_folder(whole, 0))
    assert record.state == "complete"
    put_copy(whole, replace(record, **changes))  # type: ignore[arg-type]
    assert refusal(whole, SPACE).endswith(f": {text}")


def test_a_record_with_more_epochs_than_its_copy_is_refused(whole: Path) -> None:
    record = read_record(trial_folder(whole, 10))
    assert (record.state, len(record.epochs)) == ("interrupted", 2)
    put_copy(whole, replace(record, epochs=record.epochs[:1]))
    assert refusal(whole, SPACE).endswith(": the record ends at epoch 2, its copy in study.db ends at epoch 1")


def test_a_record_that_runs_although_its_trial_has_ended_is_refused(whole: Path) -> None:
    record = read_record(trial_folder(whole, 0))
    remove_copy(whole, 0)
    write_record(trial_folder(whole, 0), replace(record, state="running", epochs=record.epochs[:1]))
    assert refusal(whole, SPACE).endswith(": the record is running, but the trial has ended according to study.db")


def an_end_that_optuna_does_not_have(folder: Path) -> None:
    """A supervisor of an earlier version was killed between the record and the database."""
    record = read_record(trial_folder(folder, 10))
    remove_copy(folder, 10)
    write_record(trial_folder(folder, 10), replace(record, state="complete", reason="all epochs"))


def the_same_with_a_copy(folder: Path) -> None:
    an_end_that_optuna_does_not_have(folder)
    put_copy(folder, read_record(trial_folder(folder, 10)))


def an_older_record(folder: Path) -> None:
    record = read_record(trial_folder(folder, 0))
    put_copy(folder, record)
    write_record(trial_folder(folder, 0), replace(record, state="running", epochs=record.epochs[:3]))


def a_missing_record(folder: Path) -> None:
    (trial_folder(folder, 0) / "trial.json").unlink()


def no_record_and_no_copy(folder: Path) -> None:
    shutil.rmtree(trial_folder(folder, 0))
    remove_copy(folder, 0)


def a_damaged_record(folder: Path) -> None:
    (trial_folder(folder, 0) / "trial.json").write_bytes(b"\xff{")


def a_damaged_copy(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "study.db")) as connection, connection:
        connection.execute("UPDATE sweep_records SET record = 'text' WHERE number = 0")


def a_removed_model(folder: Path) -> None:
    record = read_record(trial_folder(folder, 0))
    put_copy(folder, replace(record, model_file="model.keras"))
    write_record(trial_folder(folder, 0), replace(record, model_file=None))


def no_copies(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "study.db")) as connection, connection:
        connection.execute("DROP TABLE sweep_records")


@pytest.mark.parametrize(
    "leave",
    [
        an_end_that_optuna_does_not_have,
        the_same_with_a_copy,
        an_older_record,
        a_missing_record,
        no_record_and_no_copy,
        a_damaged_record,
        a_damaged_copy,
        a_removed_model,
        no_copies,
    ],
)
def test_what_a_crash_or_the_program_itself_leaves_agrees(whole: Path, leave: Callable[[Path], None]) -> None:
    leave(whole)
    compare(whole, SPACE)


def test_a_mirrored_value_agrees_within_rounding(tmp_path: Path) -> None:
    space = make_space(LINE.replace("log: true", "reverse_log: true"))
    folder = tmp_path / "demo"
    run_supervised(folder, space, 2)
    record = read_record(trial_folder(folder, 0))
    rate = record.values["learning_rate"]
    assert isinstance(rate, float)
    values = {"learning_rate": rate * (1 + 1e-15)}
    write_record(trial_folder(folder, 0), replace(record, values=values))
    compare(folder, space)
    write_record(trial_folder(folder, 0), replace(record, values={"learning_rate": rate * (1 + 1e-6)}))
    assert refusal(folder, space).endswith("the trial has other values in study.db")
