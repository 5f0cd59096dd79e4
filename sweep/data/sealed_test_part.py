"""The sealed test part. Only `finalize` may import this module: code that selects a model must not see it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sweep.data.cache import TEST_IMAGES, TEST_LABELS, Prepared
from sweep.errors import DataError
from sweep.records.array_types import IntArray, UInt8Array


def open_test(prepared: Prepared) -> tuple[UInt8Array, IntArray]:
    """The sealed test images, uint8 (m, h, w, c) as a read-only memory map, and their labels, int64 (m,).

    The caller must record the opening in the study first. Raises DataError if the files are missing.
    """
    folder = Path(prepared.folder)
    try:
        images = np.asarray(np.load(folder / TEST_IMAGES, mmap_mode="r", allow_pickle=False))
        return images, np.load(folder / TEST_LABELS, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(
            f"cache `{folder}`: the test part cannot be opened: {error}; remove the folder: the next command decodes "
            f"{prepared.description} again."
        ) from error
