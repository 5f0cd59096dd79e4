"""A model's predictions for the validation images: confusion matrix, classes, and worst mistakes."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix

from sweep.analysis.calibration import probabilities_of
from sweep.records.array_types import IntArray


@dataclass(frozen=True, eq=False)
class Predictions:
    """The outputs of a model for all validation images.

    Attributes:
        outputs: float (n, classes), probabilities or logits.
        labels: int64 (n,), the true classes.
        positions: int64 (n,), positions of the images in the cached training set (before the validation split).
    """

    outputs: npt.NDArray[np.floating]
    labels: IntArray
    positions: IntArray

    @property
    def predicted(self) -> IntArray:
        """The class with the largest output, int64 (n,); of equal outputs, the first class."""
        classes: IntArray = np.argmax(self.outputs, axis=1).astype(np.int64)
        return classes


class ClassResult(NamedTuple):
    """The result for one class; `accuracy` is None without images, `confused` is the most frequent wrong class."""

    name: str
    images: int
    correct: int
    accuracy: float | None
    confused: str | None


class Mistake(NamedTuple):
    """A wrong prediction: the image's position in the cached training set, and the probability of the wrong class."""

    position: int
    label: int
    predicted: int
    probability: float


def read_predictions(path: Path, classes: int) -> Predictions | None:
    """Return the predictions of a trial; None if the file is missing or damaged or does not match the classes."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = Predictions(stored["outputs"], stored["labels"], stored["positions"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    fits = found.outputs.shape == (len(found.labels), classes) and len(found.positions) == len(found.labels)
    return found if fits and len(found.labels) and found.labels.max() < classes else None


def confusion(predictions: Predictions, classes: int) -> IntArray:
    """Return the confusion matrix, int64 (classes, classes): a row per true class, a column per predicted class."""
    counts: IntArray = confusion_matrix(predictions.labels, predictions.predicted, labels=np.arange(classes))
    return counts


def class_results(counts: IntArray, names: Sequence[str]) -> list[ClassResult]:
    """Return the result for each class from its row of the confusion matrix."""
    return [_class_result(name, row, index, names) for index, (name, row) in enumerate(zip(names, counts, strict=True))]


def _class_result(name: str, row: IntArray, index: int, names: Sequence[str]) -> ClassResult:
    images, correct = int(row.sum()), int(row[index])
    wrong = row.copy()
    wrong[index] = 0
    confused = names[int(wrong.argmax())] if wrong.any() else None
    return ClassResult(name, images, correct, correct / images if images else None, confused)


def worst_mistakes(predictions: Predictions, most: int, *, logits: bool) -> list[Mistake]:
    """Return at most `most` wrong predictions, the most confident first."""
    predicted = predictions.predicted
    confidence = probabilities_of(predictions.outputs, logits=logits)[np.arange(len(predicted)), predicted]
    wrong = np.flatnonzero(predicted != predictions.labels)
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")[:most]]
    columns = (predictions.positions, predictions.labels, predicted, confidence)
    return [Mistake(*row) for row in zip(*(column[chosen].tolist() for column in columns), strict=True)]
