from __future__ import annotations

import re
from pathlib import Path

import pytest

import sweep
from sweep.data.preparation import prepare
from sweep.data.sealed_test_part import open_test
from sweep.errors import DataError
from sweep.space.config import DataConfig


def test_the_test_part_opens_with_its_labels(parted_folder: Path, cache: Path) -> None:
    images, labels = open_test(prepare(DataConfig(name=str(parted_folder)), cache))
    assert images.shape == (2, 6, 6, 3)
    assert labels.tolist() == [0, 1]
    assert not images.flags.writeable


def test_a_missing_test_part_is_a_data_error(parted_folder: Path, cache: Path) -> None:
    prepared = prepare(DataConfig(name=str(parted_folder)), cache)
    (Path(prepared.folder) / "test_images.npy").unlink()
    with pytest.raises(DataError, match=r"the test part cannot be opened: .* remove the folder"):
        open_test(prepared)


def test_only_finalize_imports_the_sealed_part() -> None:
    root = Path(sweep.__file__).parent
    importing = re.compile(r"^\s*(from|import) .*\bsealed_test_part\b|open_test\(", re.MULTILINE)
    found = {str(path.relative_to(root)) for path in root.rglob("*.py") if importing.search(path.read_text("utf-8"))}
    assert found == {"data/sealed_test_part.py", "finalization/counted_opening.py"}
