"""What a model says of the validation images, judged. Pure NumPy."""

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
    """Of one model, for all validation images.

    Attributes:
        outputs: float (n, classes), as the model gives them: probabilities or logits.
        labels: int64 (n,), the true classes.
        positions: int64 (n,), of the images in the cached training part.
    """

    outputs: npt.NDArray[np.floating]
    labels: IntArray
    positions: IntArray

    @property
    def predicted(self) -> IntArray:
        """int64 (n,): the class with the largest output, the first of equals."""
        classes: IntArray = np.argmax(self.outputs, axis=1).astype(np.int64)
        return classes


class ClassResult(NamedTuple):
    """How one class fared; `accuracy` is None without an image of it, `confused` what it was most often taken for."""

    name: str
    images: int
    correct: int
    accuracy: float | None
    confused: str | None


class Mistake(NamedTuple):
    """A wrong answer: the image's position in the cached training part, and the share of the wrong class's output."""

    position: int
    label: int
    predicted: int
    probability: float


def read_predictions(path: Path, classes: int) -> Predictions | None:
    """The predictions of a trial; None where there are none, or they do not fit the classes."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = Predictions(stored["outputs"], stored["labels"], stored["positions"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    fits = found.outputs.shape == (len(found.labels), classes) and len(found.positions) == len(found.labels)
    return found if fits and len(found.labels) and found.labels.max() < classes else None


def confusion(predictions: Predictions, classes: int) -> IntArray:
    """The confusion matrix, int64 (classes, classes): a row per true class, a column per predicted class."""
    counts: IntArray = confusion_matrix(predictions.labels, predictions.predicted, labels=np.arange(classes))
    return counts


def class_results(counts: IntArray, names: Sequence[str]) -> list[ClassResult]:
    """The results of each class, from its row of the confusion matrix."""
    return [_class_result(name, row, index, names) for index, (name, row) in enumerate(zip(names, counts, strict=True))]


def _class_result(name: str, row: IntArray, index: int, names: Sequence[str]) -> ClassResult:
    images, correct = int(row.sum()), int(row[index])
    wrong = row.copy()
    wrong[index] = 0
    confused = names[int(wrong.argmax())] if wrong.any() else None
    return ClassResult(name, images, correct, correct / images if images else None, confused)


def worst_mistakes(predictions: Predictions, most: int, *, logits: bool) -> list[Mistake]:
    """The wrong answers that the model was surest of, the surest first; at most `most`."""
    shares = probabilities_of(predictions.outputs, logits=logits)
    predicted = predictions.predicted
    wrong = np.flatnonzero(predicted != predictions.labels)
    sure = shares[wrong, predicted[wrong]]
    chosen = wrong[np.argsort(-sure, kind="stable")[:most]]
    return [
        Mistake(
            int(predictions.positions[i]), int(predictions.labels[i]), int(predicted[i]), float(shares[i, predicted[i]])
        )
        for i in chosen
    ]
