"""From what the model answered to what is reported. Pure values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sweep.analysis.calibration import calibrate, wilson
from sweep.finalization.final_comparison import ComparisonOutcome
from sweep.records.array_types import IntArray
from sweep.records.final_result import CalibrationBin, ClassTest, FinalistResult, TestResult
from sweep.records.trial_record import TrialRecord
from sweep.space.config import Objective, direction_of


def finalist_results(finalists: Sequence[TrialRecord], outcome: ComparisonOutcome) -> tuple[FinalistResult, ...]:
    """All finalists: those that stayed by their mean, then the dropped ones."""
    standings = {standing.trial: standing for standing in outcome.judgement.standings}
    order = [*standings, *(record.number for record in finalists if record.number not in standings)]
    records = {record.number: record for record in finalists}
    return tuple(_finalist(records[number], outcome) for number in order)


def _finalist(record: TrialRecord, outcome: ComparisonOutcome) -> FinalistResult:
    scores = outcome.scores[record.number]
    shares = {standing.trial: standing.best_share for standing in outcome.judgement.standings}
    return FinalistResult(
        trial=record.number,
        parameters=record.parameters or 0,
        search_score=float(record.objective_value or 0.0),
        scores=scores,
        mean=float(np.mean(scores)) if scores else None,
        deviation=float(np.std(scores, ddof=1)) if len(scores) > 1 else None,
        best_share=shares.get(record.number, 0.0),
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
        probabilities: float (m, classes).
        labels: int64 (m,).
        names: of the classes.
        objective: what the search was about.
        search_score: of the winner.
        repeats_mean: of the winner's rounds; None where there were none.
    """
    predicted = probabilities.argmax(axis=1)
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    correct = int((predicted == labels).sum())
    accuracy = wilson(correct, len(labels))
    # The smallest positive float32 keeps the logarithm of a flat 0 finite.
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
        classes=tuple(
            _class(name, row, place, names) for place, (name, row) in enumerate(zip(names, counts, strict=True))
        ),
        confusion=tuple(tuple(int(count) for count in row) for row in counts),
        calibration_error=calibration.error,
        confidence=calibration.confidence,
        bins=tuple(CalibrationBin(b.low, b.high, b.images, b.confidence, b.accuracy) for b in calibration.bins),
        search_gap=search_gap,
        repeats_gap=repeats_gap,
    )


def gaps(
    objective: Objective, accuracy: float, loss: float, search_score: float, repeats_mean: float | None
) -> tuple[float, float | None]:
    """`search_gap` and `repeats_gap` of a test with this accuracy and loss, see `TestResult`."""
    sign, value = (1.0, accuracy) if direction_of(objective) == "maximize" else (-1.0, loss)
    return sign * (search_score - value), None if repeats_mean is None else sign * (repeats_mean - value)


def _class(name: str, row: IntArray, place: int, names: Sequence[str]) -> ClassTest:
    images, correct = int(row.sum()), int(row[place])
    interval = wilson(correct, images) if images else None
    wrong = row.copy()
    wrong[place] = 0
    return ClassTest(
        name=name,
        images=images,
        correct=correct,
        accuracy=interval.value if interval else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        confused=names[int(wrong.argmax())] if wrong.any() else None,
    )
