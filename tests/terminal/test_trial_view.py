from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console, RenderableType

from sweep.records.curve_findings import CurveFinding
from sweep.terminal.trial_view import differing_table, sparkline, status_view, trial_view
from tests.fakes import make_record


def text(view: RenderableType) -> str:
    console = Console(record=True, width=110, markup=False, file=io.StringIO())
    console.print(view)
    return "\n".join(line.rstrip() for line in console.export_text().splitlines())


def test_a_curve_goes_from_the_lowest_bar_to_the_highest() -> None:
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert sparkline([3.0, 3.0]) == "▁▁"
    assert sparkline([]) == ""


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    curve = sparkline([float(value) for value in range(1000)], width=8)
    assert curve == "▁▂▃▄▅▆▇█"


def test_a_trial_is_shown_with_its_result_values_curve_and_place() -> None:
    shown = text(trial_view(make_record(7, (0.5, 0.75), parameters=1234), Path("studies/demo")))

    assert shown.startswith("trial 0007 of demo: complete, val_accuracy 0.7500 at epoch 2\n")
    assert "parameters  1,234" in shown
    assert "learning_rate  0.001" in shown
    curve = next(line for line in shown.splitlines() if line.startswith("val_accuracy  "))
    assert curve.split() == ["val_accuracy", "0.5", "▁█", "0.75", "0.75"]
    assert "folder      studies/demo/trials/0007" in shown


def test_the_findings_about_the_curves_are_shown_below_the_result() -> None:
    finding = CurveFinding("over-fitting", "accuracy 0.98 in training, 0.66 in validation")
    shown = text(trial_view(make_record(7, (0.5, 0.66), diagnosis=(finding,)), Path("studies/demo")))

    assert "\nover-fitting: accuracy 0.98 in training, 0.66 in validation\n" in shown


def test_a_failed_trial_is_shown_with_its_message() -> None:
    record = make_record(
        1, state="failed", reason="bug", message="ValueError: no\nTraceback [bold]", objective_value=None
    )

    shown = text(trial_view(record, Path("studies/demo")))

    assert shown.startswith("trial 0001 of demo: failed\nbug\nValueError: no\nTraceback [bold]\n")


def test_the_status_has_counts_running_trials_and_the_best() -> None:
    records = [
        make_record(0, (0.5, 0.75)),
        make_record(1, (0.25,), state="pruned"),
        make_record(2, (0.125,), state="running"),
        make_record(3, (0.375,), state="interrupted"),
    ]

    shown = text(status_view("demo", records, "process 7 on here")).splitlines()

    assert shown[0] == "study demo: 1 complete, 1 interrupted, 1 pruned, 1 running; run by process 7 on here"
    assert shown[1] == "  trial 0002 1/4 epochs, best 0.1250 @1"
    assert shown[2] == "  trial 0003 1/4 epochs, best 0.3750 @1; the next run resumes it"
    assert shown[-1].split()[:3] == ["0000", "0.7500", "2/2"]


def test_the_status_of_a_study_without_trials() -> None:
    shown = text(status_view("demo", [], None)).splitlines()
    assert shown == ["study demo: no trials yet; not running", "no trial is complete yet"]


def test_two_trials_are_shown_side_by_side() -> None:
    shown = text(differing_table("configuration", {"model.blocks": (2, None), "flag": (True, 1.5)}, (3, 11)))
    assert [line.split() for line in shown.splitlines()] == [
        ["configuration"],
        ["trial", "0003", "trial", "0011"],
        ["model.blocks", "2", "-"],
        ["flag", "true", "1.5"],
    ]
