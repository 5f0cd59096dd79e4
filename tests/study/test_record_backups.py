"""Records that are damaged or missing: the sweep continues and reports what it repaired."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sweep.errors import RecordError
from sweep.execution.supervisor import Supervisor, TrialSetting
from sweep.records.study_records import read_records
from sweep.records.trial_record import read_record
from sweep.study.record_backups import read_copies, restore_records
from tests.fakes import PREPARED, STAMP, FakeTrain, InlineExecutor, make_study, record_for, take


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study of three trials."""
    study = make_study(tmp_path / "demo")
    Supervisor(study, InlineExecutor(FakeTrain()), TrialSetting(PREPARED, STAMP, {}), []).run(3)
    return tmp_path / "demo"


def path_of(folder: Path, number: int) -> Path:
    return folder / "trials" / f"{number:04d}" / "trial.json"


def test_a_record_truncated_at_any_byte_is_renamed_and_restored(folder: Path) -> None:
    before, path = read_records(folder), path_of(folder, 1)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 97):  # the last byte is a newline
        path.write_bytes(whole[:length])
        with pytest.raises(RecordError):
            read_records(folder)
        (sentence,) = restore_records(folder, (), read_copies(folder))
        assert sentence.startswith(f"trial 1: {path}: not a trial record of format 1: ")
        assert sentence.endswith("renamed to trial.json.damaged, and the record was restored from the study's database")
        assert path.with_name("trial.json.damaged").read_bytes() == whole[:length]
        assert [r.epochs for r in read_records(folder)] == [r.epochs for r in before]
    assert path.read_bytes() == whole.replace(b'"model_file": "model.keras"', b'"model_file": null')


@pytest.mark.parametrize("content", [b"\0" * 500, b"\xff\xfe", b"[]", b"null", b"9" * 5000, b"[" * 100_000, b"{}"])
def test_a_record_with_any_other_content_is_restored_too(folder: Path, content: bytes) -> None:
    path_of(folder, 0).write_bytes(content)
    assert len(restore_records(folder, (), read_copies(folder))) == 1
    assert [record.number for record in read_records(folder)] == [0, 1, 2]


def test_a_missing_record_is_restored(folder: Path) -> None:
    path_of(folder, 2).unlink()
    assert len(read_records(folder)) == 2
    assert restore_records(folder, (), read_copies(folder)) == [
        "trial 2: its record was missing; restored from the study's database"
    ]
    assert len(read_records(folder)) == 3
    assert restore_records(folder, (), read_copies(folder)) == []


def test_a_damaged_record_of_a_trial_that_runs_again_is_only_renamed(folder: Path) -> None:
    study = make_study(folder)
    pending = take(study)
    path = path_of(folder, 3)
    path.parent.mkdir()
    path.write_text('{"study": "de')
    again = make_study(folder)
    (sentence,) = again.repairs
    assert sentence.endswith("The file was renamed to trial.json.damaged, and the trial runs again")
    Supervisor(again, InlineExecutor(FakeTrain()), TrialSetting(PREPARED, STAMP, {}), []).run(4)
    assert read_record(path.parent).values == pending.values
    assert [record.state for record in read_records(folder)] == ["complete"] * 4


def test_without_a_copy_the_trial_counts_and_is_not_shown(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "study.db")) as connection, connection:
        connection.execute("DELETE FROM sweep_records WHERE number = 0")
        connection.execute("UPDATE sweep_records SET record = x'1234' WHERE number = 1")
    for number in (0, 1):
        path_of(folder, number).write_text("{")
    sentences = restore_records(folder, (), read_copies(folder))
    assert [sentence.split("; ")[-1] for sentence in sentences] == [
        "there is no copy of the record, so the trial counts but is not shown"
    ] * 2
    assert [record.number for record in read_records(folder)] == [2]
    assert make_study(folder).count_started() == 3


def test_the_database_has_a_copy_of_every_record(folder: Path) -> None:
    study = make_study(folder)
    study.save(record_for(study, take(study), state="running"))
    assert read_copies(folder) == {number: path_of(folder, number).read_bytes() for number in range(4)}


def test_a_record_that_is_older_than_the_database_is_replaced(folder: Path) -> None:
    study = make_study(folder)
    pending = take(study)
    study.save(record_for(study, pending, state="running", accuracies=(0.5,)))
    older = path_of(folder, 3).read_bytes()
    study.save(record_for(study, pending, state="running", accuracies=(0.5, 0.75)))
    path_of(folder, 3).write_bytes(older)
    again = make_study(folder)
    assert again.repairs == []
    earlier = take(again).earlier
    assert earlier is not None
    assert [epoch.val_accuracy for epoch in earlier.epochs] == [0.5, 0.75]


def test_the_record_of_a_running_trial_is_restored(folder: Path) -> None:
    study = make_study(folder)
    study.save(record_for(study, take(study), state="running", accuracies=(0.5,)))
    path_of(folder, 3).write_bytes(b"")  # what a power cut may leave, because the file is not synced at every epoch
    again = make_study(folder)
    (sentence,) = again.repairs
    assert sentence.endswith("and the record was restored from the study's database")
    earlier = take(again).earlier
    assert earlier is not None
    assert [epoch.val_accuracy for epoch in earlier.epochs] == [0.5]


def test_a_folder_without_a_record_is_ignored(folder: Path) -> None:
    """A kill after the folder was created and before the first record leaves such a folder."""
    (folder / "trials" / "0003").mkdir()
    (folder / "trials" / "0003" / "trial.part.json").write_text('{"stu')
    assert len(read_records(folder)) == 3
    assert restore_records(folder, (), read_copies(folder)) == []
