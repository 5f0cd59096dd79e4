from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console

from sweep.execution.workers import Usage
from sweep.records.trial_record import TrialRecord
from sweep.terminal.summary import print_summary
from tests.fakes import STAMP, make_record


def summary_lines(*records: TrialRecord, workers: int = 2) -> list[str]:
    console = Console(file=io.StringIO(), width=120, record=True, markup=False)
    print_summary(console, records, Usage(workers, 10.0, 15.0, 4000), {"study": "studies/demo"})
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_the_best_come_first_then_the_counts_the_speed_and_the_places() -> None:
    lines = summary_lines(
        make_record(0, (0.5, 0.75)), make_record(1, (0.875,)), make_record(2, (0.25,), state="pruned")
    )

    assert [line.split()[:2] for line in lines[2:4]] == [["0001", "0.8750"], ["0000", "0.7500"]]
    assert lines[-3:] == [
        "3 trials: 2 complete, 1 pruned",
        "10.0 s, 400 images/s over 2 workers, 75% of their time inside fit",
        "study        studies/demo",
    ]


def test_one_trial_and_one_worker_are_singular() -> None:
    lines = summary_lines(make_record(0, (0.75,)), workers=1)

    assert "1 trial: 1 complete" in lines
    assert "10.0 s, 400 images/s over 1 worker, 150% of their time inside fit" in lines


@pytest.mark.parametrize(("accuracy", "guessing"), [(0.6, True), (0.75, False)])
def test_a_study_that_learned_nothing_has_a_warning(accuracy: float, guessing: bool) -> None:
    # Two classes, 20 validation images: guessing stays below 0.5 + 2 * sqrt(0.25 / 20) = 0.72.
    data = dataclasses.replace(STAMP, classes=("a", "b"), validation=20)
    text = " ".join(summary_lines(make_record(0, (0.4, accuracy), data=data)))

    assert ("No trial is better than guessing one of 2 classes (accuracy 0.5000). Try more epochs" in text) is guessing
