from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sweep.analysis.validation_predictions import (
    ClassResult,
    Mistake,
    Predictions,
    class_results,
    confusion,
    read_predictions,
    worst_mistakes,
)

OUTPUTS = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.8, 0.1, 0.1], [0.1, 0.3, 0.6], [0.5, 0.5, 0.0]])
PREDICTIONS = Predictions(OUTPUTS, np.array([0, 1, 1, 1, 0]), np.array([10, 20, 30, 40, 50]))


def test_a_row_of_the_confusion_matrix_is_a_true_class() -> None:
    assert confusion(PREDICTIONS, 3).tolist() == [[2, 0, 0], [1, 1, 1], [0, 0, 0]]


def test_each_class_has_its_accuracy_and_its_most_frequent_wrong_class() -> None:
    assert class_results(confusion(PREDICTIONS, 3), ("cat", "dog", "emu")) == [
        ClassResult("cat", 2, 2, 1.0, None),
        ClassResult("dog", 3, 1, 1 / 3, "cat"),
        ClassResult("emu", 0, 0, None, None),
    ]


def test_the_most_confident_mistakes_come_first() -> None:
    assert worst_mistakes(PREDICTIONS, 9, logits=False) == [Mistake(30, 1, 0, 0.8), Mistake(40, 1, 2, 0.6)]
    assert worst_mistakes(PREDICTIONS, 1, logits=False) == [Mistake(30, 1, 0, 0.8)]


def test_logits_become_probabilities_of_mistakes() -> None:
    logits = Predictions(np.array([[2000.0, 2000.0 - np.log(3)]]), np.array([1]), np.array([7]))
    (mistake,) = worst_mistakes(logits, 5, logits=True)
    assert (mistake.position, mistake.label, mistake.predicted) == (7, 1, 0)
    assert mistake.probability == pytest.approx(0.75)


def test_predictions_are_read_back_and_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "validation.npz"
    assert read_predictions(path, 3) is None
    np.savez(path, outputs=OUTPUTS, labels=PREDICTIONS.labels, positions=PREDICTIONS.positions)
    found = read_predictions(path, 3)
    assert found is not None
    assert found.predicted.tolist() == [0, 1, 0, 2, 0]
    assert read_predictions(path, 4) is None
    path.write_bytes(path.read_bytes()[:100])
    assert read_predictions(path, 3) is None
