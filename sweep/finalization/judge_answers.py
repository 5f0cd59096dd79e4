"""Judge the final model's answers to the test set, and summarize the finalists' repeats, without using files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix

from sweep.analysis.calibration import calibrate, wilson
from sweep.analysis.validation_predictions import ClassResult, class_results
from sweep.finalization.final_comparison import ComparisonOutcome
from sweep.records.array_types import IntArray
from sweep.records.final_result import ClassTest, FinalistResult, TestResult
from sweep.records.trial_record import TrialRecord
from sweep.space.config import Objective, direction_of


def finalist_results(finalists: Sequence[TrialRecord], outcome: ComparisonOutcome) -> tuple[FinalistResult, ...]:
    """Return the results of all finalists: the remaining ones sorted by their mean, then the dropped ones."""
    standings = {standing.trial: standing for standing in outcome.judgement.standings}
    order = [*standings, *(record.number for record in finalists if record.number not in standings)]
    records = {record.number: record for record in finalists}
    shares = {trial: standing.best_share for trial, standing in standings.items()}
    return tuple(_finalist(records[number], outcome, shares.get(number, 0.0)) for number in order)


def _finalist(record: TrialRecord, outcome: ComparisonOutcome, best_share: float) -> FinalistResult:
    scores = outcome.scores[record.number]
    return FinalistResult(
        trial=record.number,
        parameters=record.parameters or 0,
        search_score=float(record.objective_value or 0.0),
        scores=scores,
        mean=float(np.mean(scores)) if scores else None,
        deviation=float(np.std(scores, ddof=1)) if len(scores) > 1 else None,
        best_share=best_share,
        dropped=outcome.dropped.get(record.number, ""),
    )


def judge_test(
    probabilities: npt.NDArray[np.floating],
    labels: IntArray,
    names: Sequence[str],
    objective: Objective,
    search_score: float,
    repeats_mean: float | None,
) -> TestResult:
    """Judge the answers to the test set.

    Args:
        probabilities: the answers, float (m, classes).
        labels: the correct classes, int64 (m,).
        names: class names.
        objective: the search's objective.
        search_score: the winner's objective in the search.
        repeats_mean: mean objective of the winner's repeats; None without repeats.
    """
    predicted = probabilities.argmax(axis=1)
    counts = confusion_matrix(labels, predicted, labels=np.arange(len(names)))
    correct = int((predicted == labels).sum())
    accuracy = wilson(correct, len(labels))
    # The smallest positive float32 keeps the logarithm finite. scikit-learn clips at 1e-7, which lowers the loss.
    chosen = np.maximum(probabilities[np.arange(len(labels)), labels].astype(np.float64), np.finfo(np.float32).tiny)
    loss = float(-np.log(chosen).mean())
    calibration = calibrate(probabilities, labels)
    search_gap, repeats_gap = gaps(objective, accuracy.value, loss, search_score, repeats_mean)
    return TestResult(
        images=len(labels),
        correct=correct,
        accuracy=accuracy.value,
        low=accuracy.low,
        high=accuracy.high,
        loss=loss,
        classes=tuple(map(_class_test, class_results(counts, names))),
        confusion=tuple(tuple(int(count) for count in row) for row in counts),
        calibration_error=calibration.error,
        confidence=calibration.confidence,
        bins=calibration.bins,
        search_gap=search_gap,
        repeats_gap=repeats_gap,
    )


def gaps(
    objective: Objective, accuracy: float, loss: float, search_score: float, repeats_mean: float | None
) -> tuple[float, float | None]:
    """Return `search_gap` and `repeats_gap` of a test with this accuracy and loss; see `TestResult`."""
    sign, value = (1.0, accuracy) if direction_of(objective) == "maximize" else (-1.0, loss)
    return sign * (search_score - value), None if repeats_mean is None else sign * (repeats_mean - value)


def _class_test(result: ClassResult) -> ClassTest:
    low, high = wilson(result.correct, result.images)[1:] if result.images else (None, None)
    return ClassTest(**result._asdict(), low=low, high=high)
