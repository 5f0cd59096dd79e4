"""The id of a study."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from sweep.errors import StudyError
from sweep.records.study_id import study_id


def test_an_id_is_made_once_and_stays(tmp_path: Path) -> None:
    first = study_id(tmp_path)
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert study_id(tmp_path) == first
    assert [path.name for path in tmp_path.iterdir()] == ["id"]


def test_two_studies_have_two_ids(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert study_id(tmp_path / "a") != study_id(tmp_path / "b")


def test_concurrent_calls_get_the_same_id(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(study_id(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_another_content_is_an_error_and_is_kept(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("mine\n")
    with pytest.raises(StudyError, match=r"id: expected 32 hexadecimal digits, received 'mine'"):
        study_id(tmp_path)
    assert (tmp_path / "id").read_text() == "mine\n"


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="cannot be read or written"):
        study_id(tmp_path / "gone")
