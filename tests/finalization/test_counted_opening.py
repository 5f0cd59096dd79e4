from __future__ import annotations

from pathlib import Path

import pytest

from sweep.data.cache import Prepared
from sweep.errors import DataError, StudyError
from sweep.finalization.counted_opening import open_counted
from sweep.records.openings_ledger import Opening, read_openings
from tests.fakes import PREPARED

OPENING = Opening("2025-01-02T10:00:00.000+00:00", 4, "a" * 64, 180)


def test_an_opening_is_recorded_and_gives_the_sealed_images(tmp_path: Path, prepared: Prepared) -> None:
    images, labels = open_counted(tmp_path, prepared, OPENING)

    assert (images.shape, labels.shape) == ((180, 8, 8, 1), (180,))
    assert read_openings(tmp_path) == (OPENING,)


def test_what_cannot_be_recorded_is_not_opened(tmp_path: Path) -> None:
    # The images are gone as well: reading them first would say so.
    with pytest.raises(StudyError, match="the opening of the test part cannot be recorded"):
        open_counted(tmp_path / "gone", PREPARED, OPENING)


def test_an_opening_counts_even_if_reading_fails(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the test part cannot be opened"):
        open_counted(tmp_path, PREPARED, OPENING)

    assert read_openings(tmp_path) == (OPENING,)
