from __future__ import annotations

from sweep.analysis.curve_summary import curve_notes, curve_summary
from sweep.records.curve_findings import CurveFinding
from sweep.reporting.sections_result import curves_section
from tests.analysis.histories import complete, history, pruned

OVER = CurveFinding("over-fitting", "accuracy 0.98 in training, 0.66 in validation")
ENDED = "2025-01-02T10:01:00+00:00"


def test_a_report_says_how_many_trials_show_what_and_what_the_best_show() -> None:
    trials = history(
        complete(0, 0.9, diagnosis=(OVER,), finished=ENDED),
        complete(1, 0.8, finished=ENDED),
        pruned(2, 0.1, diagnosis=(OVER,), finished=ENDED),
    )

    assert curve_summary(trials) == "The curves of 3 trials that ended show over-fitting in 2."
    assert curve_notes(trials) == ("Trial 0: over-fitting: accuracy 0.98 in training, 0.66 in validation.",)
    assert curve_summary(trials) in curves_section(trials).answer


def test_a_study_whose_curves_are_fine_is_told_nothing() -> None:
    fine = history(complete(0, 0.9, finished=ENDED))

    assert curve_summary(fine) == ""
    assert curve_notes(fine) == ()
