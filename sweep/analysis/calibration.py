"""The confidence interval of an accuracy, and the calibration of a model's probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from scipy.stats import binomtest

from sweep.records.final_result import CalibrationBin

BINS = 15
"""Number of bins, as in Guo et al., "On Calibration of Modern Neural Networks", 2017."""


class Interval(NamedTuple):
    """A share with its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """How well the confidence of the predictions matches their accuracy.

    Attributes:
        error: expected calibration error: the mean, over all images, of |accuracy - confidence| of the image's bin.
        confidence: the mean, over all images, of the largest probability.
        bins: bins of equal width over 0..1, in order, each with the predictions whose confidence is in (low, high].
    """

    error: float
    confidence: float
    bins: tuple[CalibrationBin, ...]


def wilson(count: int, total: int) -> Interval:
    """Return `count / total` with Wilson's 95 % score interval (1927), which is also valid for small counts.

    Raises:
        ValueError: `total` is less than 1.
    """
    interval = binomtest(count, total).proportion_ci(0.95, method="wilson")
    return Interval(count / total, float(interval.low), float(interval.high))


def calibrate(probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.int64]) -> Calibration:
    """Return the calibration of the predictions. The predicted class is the one with the largest probability.

    Args:
        probabilities: float (n, classes), rows sum to 1.
        labels: int64 (n,), the true classes.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, BINS + 1)
    places = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
    bins = tuple(_bin(edges, place, confidence[places == place], correct[places == place]) for place in range(BINS))
    gaps = (
        b.images * abs(b.accuracy - b.confidence) for b in bins if b.accuracy is not None and b.confidence is not None
    )
    return Calibration(float(sum(gaps) / len(labels)), float(confidence.mean()), bins)


def _bin(
    edges: npt.NDArray[np.float64], place: int, confidence: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_]
) -> CalibrationBin:
    low, high, count = float(edges[place]), float(edges[place + 1]), len(confidence)
    if not count:
        return CalibrationBin(low, high, 0, None, None)
    return CalibrationBin(low, high, count, float(confidence.mean()), float(correct.mean()))


def probabilities_of(outputs: npt.NDArray[np.floating], *, logits: bool) -> npt.NDArray[np.floating]:
    """Return probabilities, float (n, classes): the outputs, or their softmax if they are logits."""
    probabilities: npt.NDArray[np.floating] = softmax(outputs, axis=1) if logits else outputs
    return probabilities
