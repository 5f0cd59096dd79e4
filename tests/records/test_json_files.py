from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from sweep.errors import RecordError
from sweep.records.json_files import parse_json, read_json

NUMBERS = TypeAdapter(dict[str, list[int]])


def test_a_file_is_read_into_its_type(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"x": [1, 2]}')
    assert read_json(NUMBERS, tmp_path / "a.json", RecordError, "a list of numbers") == {"x": [1, 2]}


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"a\.json: cannot be read as a list of numbers: No such file or directory"):
        read_json(NUMBERS, tmp_path / "a.json", RecordError, "a list of numbers")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"x": [1, "two"]}', "a.json: not a list of numbers: x.1: Input should be a valid integer, unable to parse"),
        ('{"x": [1', "a.json: not a list of numbers: the whole file: Invalid JSON: EOF while parsing a list at line 1"),
        (b"\xff\xfe", "a.json: not a list of numbers: the whole file: Invalid JSON: expected value at line 1"),
    ],
)
def test_an_error_names_the_file_the_place_and_the_advice(content: str | bytes, message: str) -> None:
    with pytest.raises(RecordError) as caught:
        parse_json(NUMBERS, content, "a.json", RecordError, "a list of numbers", "Remove it.")
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith(". Remove it.")
