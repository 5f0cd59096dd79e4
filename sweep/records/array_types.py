"""Types of arrays of images and labels."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

UInt8Array: TypeAlias = npt.NDArray[np.uint8]
IntArray: TypeAlias = npt.NDArray[np.int64]
Shape: TypeAlias = tuple[int, int, int]
"""Height, width, channels (1 or 3) of every image."""
