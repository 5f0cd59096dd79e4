from __future__ import annotations

import re
from pathlib import Path

import pytest

import sweep
from sweep.data.preparation import prepare
from sweep.data.sealed_test_part import open_counted
from sweep.errors import DataError, StudyError
from sweep.records.openings_ledger import Opening, read_openings
from sweep.space.config import DataConfig
from tests.fakes import PREPARED

OPENING = Opening("2025-01-02T10:00:00.000+00:00", 4, "a" * 64, 2)


def test_an_opening_is_recorded_and_gives_the_sealed_images_and_labels(
    parted_folder: Path, cache: Path, tmp_path: Path
) -> None:
    images, labels = open_counted(tmp_path, prepare(DataConfig(name=str(parted_folder)), cache), OPENING)
    assert images.shape == (2, 6, 6, 3)
    assert labels.tolist() == [0, 1]
    assert not images.flags.writeable
    assert read_openings(tmp_path) == (OPENING,)


def test_what_cannot_be_recorded_is_not_opened(tmp_path: Path) -> None:
    # The images are missing too: if they were read first, the error would be a DataError.
    with pytest.raises(StudyError, match="the opening of the test set cannot be recorded"):
        open_counted(tmp_path / "gone", PREPARED, OPENING)


def test_an_opening_counts_even_if_the_images_are_missing(parted_folder: Path, cache: Path, tmp_path: Path) -> None:
    prepared = prepare(DataConfig(name=str(parted_folder)), cache)
    (Path(prepared.folder) / "test_images.npy").unlink()
    with pytest.raises(DataError, match=r"the test set cannot be opened: .* remove the folder"):
        open_counted(tmp_path, prepared, OPENING)
    assert read_openings(tmp_path) == (OPENING,)


def test_only_finalize_imports_the_sealed_part() -> None:
    root = Path(sweep.__file__).parent
    importing = re.compile(r"^\s*(from|import) .*\bsealed_test_part\b|open_(test|counted)\(", re.MULTILINE)
    found = {str(path.relative_to(root)) for path in root.rglob("*.py") if importing.search(path.read_text("utf-8"))}
    assert found == {"data/sealed_test_part.py", "finalization/evaluate.py"}
