"""The only way to the sealed test part: it is written down in the study before it is opened."""

from __future__ import annotations

from pathlib import Path

from sweep.data.cache import Prepared
from sweep.data.sealed_test_part import open_test
from sweep.records.array_types import IntArray, UInt8Array
from sweep.records.openings_ledger import Opening, record_opening


def open_counted(study_folder: Path, prepared: Prepared, opening: Opening) -> tuple[UInt8Array, IntArray]:
    """Record the opening, then open: images uint8 (m, h, w, c) and labels int64 (m,).

    What is cut off between the two counts as an opening all the same.

    Raises:
        StudyError: the opening cannot be recorded; the test part stays closed.
        DataError: the test part is gone.
    """
    record_opening(study_folder, opening)
    return open_test(prepared)
