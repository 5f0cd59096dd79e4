from __future__ import annotations

from pathlib import Path

import pytest

from sweep.errors import StudyError
from sweep.records.openings_ledger import Opening, openings_text, read_openings, record_opening

FIRST = Opening("2025-01-02T10:00:00.000+00:00", 3, "a" * 64, 180)
SECOND = Opening("2025-02-03T11:30:00.000+00:00", 5, "b" * 64, 180)


def test_openings_are_appended_and_read_in_order(tmp_path: Path) -> None:
    assert read_openings(tmp_path) == ()
    record_opening(tmp_path, FIRST)
    record_opening(tmp_path, SECOND)

    assert read_openings(tmp_path) == (FIRST, SECOND)
    assert len((tmp_path / "test_openings.jsonl").read_bytes().splitlines()) == 2


def test_the_first_opening_is_stated_and_the_second_is_a_warning() -> None:
    assert openings_text(()) == ""
    assert openings_text((FIRST,)) == "The test set was opened once, on 2025-01-02 10:00, for trial 3."
    text = openings_text((FIRST, SECOND))
    assert text.startswith(
        "WARNING: the test set was opened 2 times (first on 2025-01-02 10:00, last on 2025-02-03 11:30"
    )
    assert "optimistic from the second opening on" in text


def test_a_ledger_that_cannot_be_written_or_read_is_a_study_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"the opening of the test set cannot be recorded: No such file"):
        record_opening(tmp_path / "gone", FIRST)
    (tmp_path / "test_openings.jsonl").write_text('{"when": 3}\n')
    with pytest.raises(StudyError, match=r"not an opening of the test set"):
        read_openings(tmp_path)
