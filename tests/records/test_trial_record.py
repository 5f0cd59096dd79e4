from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.errors import RecordError
from sweep.records.image_facts import DataStamp
from sweep.records.trial_record import (
    TrialRecord,
    read_record,
    record_from_json,
    record_to_json,
    record_to_mapping,
    trial_folder,
    write_record,
)
from sweep.records.trial_result import EpochMetrics
from tests.fakes import CONFIG, make_record

NUMBER = st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.integers(0, 2**40)
VALUE = st.booleans() | st.integers(-(2**70), 2**70) | NUMBER | st.text() | st.none()
STAMPS = st.builds(
    DataStamp,
    digest=st.text(),
    split=st.text(),
    train=COUNT,
    validation=COUNT,
    shape=st.tuples(COUNT, COUNT, COUNT),
    classes=st.lists(st.text()).map(tuple),
)
EPOCHS = st.lists(
    st.builds(
        EpochMetrics,
        epoch=st.integers(1, 9),
        loss=NUMBER,
        accuracy=NUMBER,
        val_loss=NUMBER,
        val_accuracy=NUMBER,
        learning_rate=NUMBER,
        seconds=NUMBER,
    ),
    max_size=3,
).map(tuple)
RECORDS = st.builds(
    TrialRecord,
    study=st.text(),
    number=COUNT,
    state=st.sampled_from(["running", "interrupted", "complete", "pruned", "failed"]),
    config=st.just(CONFIG),
    values=st.dictionaries(st.text(), VALUE, max_size=4),
    data=STAMPS,
    environment=st.dictionaries(st.text(), st.text(), max_size=3),
    started=st.text(),
    reason=st.text(),
    message=st.text(),
    finished=st.none() | st.text(),
    epochs=EPOCHS,
    best_epoch=st.none() | COUNT,
    objective_value=st.none() | NUMBER,
    parameters=st.none() | COUNT,
    weights_digest=st.none() | st.text(),
    timings=st.dictionaries(st.text(), NUMBER, max_size=3),
    model_file=st.none() | st.text(),
    origin=st.none() | st.text(),
)


@given(RECORDS)
@settings(max_examples=60, deadline=None)
def test_a_record_is_the_same_after_writing_and_reading(record: TrialRecord) -> None:
    text = record_to_json(record)
    again = record_from_json(text, "trial.json")
    assert again == record
    # 1, 1.0 and true are equal in Python, but not as JSON.
    assert [type(value) for value in again.values.values()] == [type(value) for value in record.values.values()]
    assert record_to_json(again) == text


def test_a_record_cut_at_any_byte_is_refused() -> None:
    whole = record_to_json(make_record(3, (0.25, 0.5)))
    for length in range(len(whole) - 1):  # the last byte is a line's end
        with pytest.raises(RecordError, match="not a trial record of format 1"):
            record_from_json(whole[:length], "trial.json")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("number", "3", "trial.json: not a trial record of format 1: number: Input should be a valid integer"),
        ("number", -1, "number: Input should be greater than or equal to 0"),
        ("state", "done", "state: Input should be 'running', 'interrupted', 'complete', 'pruned' or 'failed'"),
        ("values", [], "values: Input should be an object"),
        ("objective_value", "0.5", "objective_value: Input should be a valid number"),
        ("format", 2, "format: Input should be 1"),
        ("colour", "red", "colour: Unexpected keyword argument"),
        ("study", None, "study: Input should be a valid string"),
    ],
)
def test_a_wrong_value_is_named(key: str, value: object, message: str) -> None:
    mapping = record_to_mapping(make_record()) | {key: value}
    with pytest.raises(RecordError) as caught:
        record_from_json(json.dumps(mapping), "trial.json")
    assert message in str(caught.value)
    assert str(caught.value).endswith("The next `sweep run` of the study restores it.")


def test_a_wrong_value_deep_inside_is_named_by_its_path() -> None:
    mapping: dict[str, Any] = record_to_mapping(make_record(0, (0.5,)))
    mapping["epochs"][0]["val_loss"] = "low"
    with pytest.raises(RecordError, match=r"epochs\.0\.val_loss: Input should be a valid number"):
        record_from_json(json.dumps(mapping), "trial.json")


def test_a_key_that_is_missing_is_named() -> None:
    mapping = record_to_mapping(make_record())
    del mapping["config"]["model"]
    with pytest.raises(RecordError, match=r"config\.model: Field required"):
        record_from_json(json.dumps(mapping), "trial.json")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_hold_is_refused_before_it_is_written(value: float) -> None:
    with pytest.raises(ValueError, match="finite number"):
        make_record(objective_value=value)


def test_a_trial_folder_has_at_least_four_digits() -> None:
    assert trial_folder(Path("studies/demo"), 7) == Path("studies/demo/trials/0007")
    assert trial_folder(Path("studies/demo"), 12345) == Path("studies/demo/trials/12345")


def test_a_missing_record_is_a_record_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"trial\.json: cannot be read as a trial record"):
        read_record(tmp_path)


def test_a_record_that_is_not_text_is_a_record_error(tmp_path: Path) -> None:
    (tmp_path / "trial.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecordError, match="not a trial record of format 1: the whole file: Invalid JSON"):
        read_record(tmp_path)


def test_a_write_that_fails_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError("no space")

    write_record(tmp_path, make_record(1))
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        write_record(tmp_path, make_record(2))
    assert read_record(tmp_path).number == 1


def test_a_reader_never_sees_half_a_record(tmp_path: Path) -> None:
    short, long = make_record(1), make_record(1, message="x" * 200_000)
    write_record(tmp_path, short)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            write_record(tmp_path, long)
            write_record(tmp_path, short)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        lengths = {len(read_record(tmp_path).message) for _ in range(200)}
    finally:
        stop.set()
        writer.join()
    assert lengths <= {0, 200_000}
