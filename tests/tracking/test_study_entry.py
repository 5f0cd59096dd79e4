from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from sweep.records.trial_record import TrialRecord, TrialState
from sweep.tracking.run_entry import MetricPoint
from sweep.tracking.study_entry import (
    TrialOutcome,
    markdown_text,
    records_status,
    study_description,
    study_entry,
    trial_outcome,
)
from sweep.tracking.tracker import StudyInfo

MakeRecord = Callable[..., TrialRecord]

OUTCOMES = (
    TrialOutcome(0, "complete", 0.5, 300, 2, 1200, {"blocks": "3", "learning_rate": "0.01"}),
    TrialOutcome(1, "pruned", 0.875, 100),
    TrialOutcome(2, "failed", None, 150),
    TrialOutcome(3, "complete", 0.75, 200, 4, 15300, {"blocks": "4", "learning_rate": "0.01"}),
    TrialOutcome(4, "running", None, None),
)
NOTE = """5 trials: 1 running, 2 complete, 1 pruned, 1 failed. Objective: val_accuracy, larger is better.

| trial | val\\_accuracy | best epoch | parameters | values |
| --- | --- | --- | --- | --- |
| 0003 | 0.750 | 4 | 15,300 | blocks 4 |
| 0000 | 0.500 | 2 | 1,200 | blocks 3 |

The same in all these trials: learning\\_rate 0.01."""


def test_the_study_counts_its_trials_by_state_and_names_the_best_complete_one(info: StudyInfo) -> None:
    assert study_entry(info, OUTCOMES, "RUNNING", None).tags == {
        "sweep.kind": "study",
        "sweep.study": "demo",
        "sweep.study_id": "1" * 32,
        "sweep.objective": "val_accuracy",
        "sweep.folder": "studies/demo",
        "sweep.trials": "5",
        "sweep.trials.running": "1",
        "sweep.trials.interrupted": "0",
        "sweep.trials.complete": "2",
        "sweep.trials.pruned": "1",
        "sweep.trials.failed": "1",
        "sweep.best_trial": "3",
        "sweep.best.blocks": "4",
        "sweep.best.learning_rate": "0.01",
        "mlflow.note.content": NOTE,
    }


def test_the_best_so_far_follows_the_order_in_which_trials_ended(info: StudyInfo) -> None:
    outcomes = (*OUTCOMES, TrialOutcome(5, "complete", 0.8, 400))
    assert study_entry(info, outcomes, "RUNNING", None).points == (
        MetricPoint("best_objective", 0.75, 200, 1),
        MetricPoint("best_trial", 3.0, 200, 1),
        MetricPoint("best_epoch", 4.0, 200, 1),
        MetricPoint("best_parameters", 15300.0, 200, 1),
        MetricPoint("best_objective", 0.75, 300, 2),
        MetricPoint("best_trial", 3.0, 300, 2),
        MetricPoint("best_epoch", 4.0, 300, 2),
        MetricPoint("best_parameters", 15300.0, 300, 2),
        MetricPoint("best_objective", 0.8, 400, 3),
        MetricPoint("best_trial", 5.0, 400, 3),
    )


def test_with_a_loss_as_objective_the_lowest_is_the_best(info: StudyInfo) -> None:
    entry = study_entry(dataclasses.replace(info, objective="val_loss"), OUTCOMES, "RUNNING", None)
    assert entry.tags["sweep.best_trial"] == "0"
    assert [point.value for point in entry.points if point.key == "best_objective"] == [0.75, 0.5]


def test_of_equal_trials_the_first_is_the_best(info: StudyInfo) -> None:
    outcomes = (TrialOutcome(5, "complete", 0.5, 10), TrialOutcome(4, "complete", 0.5, 20))
    assert study_entry(info, outcomes, "RUNNING", None).tags["sweep.best_trial"] == "4"


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ((), "FINISHED"),
        (("complete", "failed"), "FINISHED"),
        (("complete", "interrupted"), "KILLED"),
        (("interrupted", "running"), "RUNNING"),
        (("failed", "failed"), "FAILED"),
    ],
)
def test_the_status_of_a_study_follows_from_its_records(
    make_record: MakeRecord, states: tuple[TrialState, ...], status: str
) -> None:
    assert records_status(make_record(number, state) for number, state in enumerate(states)) == status


def test_a_study_without_a_complete_trial_has_no_best_one(info: StudyInfo) -> None:
    tags = study_entry(info, [TrialOutcome(0, "pruned", 0.5, 10)], "RUNNING", None).tags
    assert [key for key in tags if key.startswith("sweep.best")] == []
    assert tags["mlflow.note.content"] == ("1 trial: 1 pruned. Objective: val_accuracy, larger is better.")


def test_only_a_complete_or_pruned_trial_has_an_objective_in_the_study(make_record: MakeRecord) -> None:
    params = {"learning_rate": "0.001", "blocks": "3", "batch_norm": "true", "head": "none"}
    ten_past = 1735812600000 + 30000
    record = make_record(10, "pruned", epochs=2)
    assert trial_outcome(record) == TrialOutcome(10, "pruned", 0.625, ten_past, 2, 1234, params)
    failed = make_record(10, "failed", epochs=2, objective_value=0.5)
    assert trial_outcome(failed) == TrialOutcome(10, "failed", None, ten_past, None, 1234, params)


def test_a_description_shows_values_as_text_and_fits_into_a_tag(info: StudyInfo) -> None:
    rows = [TrialOutcome(n, "complete", 0.5, n, 1, 1, {"a|b": "x" * 1500 + "<b>`*"}) for n in range(12)]
    rows[0] = rows[0]._replace(params={"a|b": "y"})
    text = study_description(info, rows)
    assert len(text) <= 8000
    assert "a\\|b xx" in text
    assert "&lt;b&gt;\\`\\*" in text
    assert text.count("\n| 00") == 6


def test_text_for_markdown_has_no_markup_and_no_line_break() -> None:
    assert markdown_text("a_b [c](d)\n<i> | $x$") == r"a\_b \[c\]\(d\) &lt;i&gt; \| \$x\$"
