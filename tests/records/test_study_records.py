from __future__ import annotations

import gc
from pathlib import Path

import pytest

from sweep.errors import RecordError
from sweep.records.study_records import DATABASE, read_records
from sweep.records.trial_record import RECORD_FILE, trial_folder, write_record
from tests.fakes import make_record


def make_folder(folder: Path, *numbers: int) -> Path:
    """Make a study's folder with these trials."""
    folder.mkdir()
    (folder / DATABASE).touch()
    for number in numbers:
        write_record(trial_folder(folder, number), make_record(number, (0.5,)))
    return folder


def test_records_are_sorted_by_number(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "demo", 10000, 9, 9999, 100)
    assert [record.number for record in read_records(folder)] == [9, 100, 9999, 10000]


def test_the_garbage_collector_is_as_before_after_reading(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "demo", 0)
    read_records(folder)
    assert gc.isenabled()
    gc.disable()
    try:
        read_records(folder)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_the_garbage_collector_is_as_before_after_a_damaged_record(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "demo", 0)
    (trial_folder(folder, 0) / RECORD_FILE).write_text("{")
    with pytest.raises(RecordError):
        read_records(folder)
    assert gc.isenabled()
