"""Plain values that a child process measures on a finished model: answers for test images, comparison with exports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweep.records.array_types import IntArray, UInt8Array


@dataclass(frozen=True, eq=False)
class WorstErrors:
    """The wrong answers with the highest confidence, in descending order of confidence.

    Attributes:
        images: uint8 (k, h, w, c).
        labels, predicted: int64 (k,).
        confidence: float (k,), probability of the predicted class.
        heat: float32 (k, h', w'), heat map of the predicted class; None for a model without a feature map.
    """

    images: UInt8Array
    labels: IntArray
    predicted: IntArray
    confidence: npt.NDArray[np.floating]
    heat: npt.NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class Answers:
    """The final model's predictions for the test images.

    Attributes:
        probabilities: float32 (m, classes).
        labels: int64 (m,).
    """

    probabilities: npt.NDArray[np.floating]
    labels: IntArray
    errors: WorstErrors


@dataclass(frozen=True)
class Latency:
    """Time of a call in milliseconds: median and 95th percentile."""

    median: float
    p95: float


@dataclass(frozen=True)
class Measured:
    """An exported model compared with the Keras model on the validation images.

    Attributes:
        difference: largest absolute difference between the outputs of the two models.
        agreement: share of images for which both models predict the same class.
        accuracy: share of images for which the exported model predicts the true class.
        images: number of compared images.
        single, batch: latency for one image, and for `batch_size` images.
    """

    difference: float
    agreement: float
    accuracy: float
    images: int
    single: Latency
    batch: Latency
    batch_size: int
