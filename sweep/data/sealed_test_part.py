"""The sealed test set. Only `finalize` may import this module: code that selects a model must not see it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sweep.data.cache import TEST_IMAGES, TEST_LABELS, Prepared
from sweep.errors import DataError
from sweep.records.array_types import IntArray, UInt8Array
from sweep.records.openings_ledger import Opening, record_opening


def open_counted(study_folder: Path, prepared: Prepared, opening: Opening) -> tuple[UInt8Array, IntArray]:
    """Record the opening in the study, then open the test set; see `open_test`.

    If the process is killed between these steps, the opening still counts.

    Raises:
        StudyError: the opening cannot be recorded; the test set is not opened.
        DataError: the test set is missing.
    """
    record_opening(study_folder, opening)
    return open_test(prepared)


def open_test(prepared: Prepared) -> tuple[UInt8Array, IntArray]:
    """Return the test images, uint8 (m, h, w, c) as a read-only memory map, and their labels, int64 (m,).

    Raises:
        DataError: the test set is missing.
    """
    folder = Path(prepared.folder)
    try:
        images = np.asarray(np.load(folder / TEST_IMAGES, mmap_mode="r", allow_pickle=False))
        return images, np.load(folder / TEST_LABELS, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(
            f"cache `{folder}`: the test set cannot be opened: {error}; remove the folder: the next command decodes "
            f"{prepared.description} again."
        ) from error
