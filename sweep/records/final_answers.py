"""What the final model answers on the test set: plain arrays, so that any process can take them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweep.records.array_types import IntArray, UInt8Array


@dataclass(frozen=True, eq=False)
class WorstErrors:
    """The wrong answers that the model was surest of, the surest first.

    Attributes:
        images: uint8 (k, h, w, c).
        labels, predicted: int64 (k,).
        confidence: float (k,), probability of the wrong class.
        heat: float32 (k, h', w') of where it saw the wrong class; None for a model without a feature map.
    """

    images: UInt8Array
    labels: IntArray
    predicted: IntArray
    confidence: npt.NDArray[np.floating]
    heat: npt.NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class Answers:
    """What the final model says of the test images.

    Attributes:
        probabilities: float32 (m, classes).
        labels: int64 (m,).
    """

    probabilities: npt.NDArray[np.floating]
    labels: IntArray
    errors: WorstErrors
