"""What a study's report says about its final model, the test set and the learning curves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sweep.commands.report import write_or_print_report
from sweep.records.curve_findings import CurveFinding
from sweep.records.final_result import write_final
from sweep.records.openings_ledger import Opening, record_opening
from sweep.reporting.sections_result import curve_notes, curve_summary, curves_section
from tests.analysis.histories import complete, history, pruned
from tests.finalization.test_judge_answers import final_result
from tests.reporting.simulate import simulate, simulated_space, write_study

WHEN = "2025-01-02T10:00:00.000+00:00"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_study(tmp_path, "simulated", simulated_space(), simulate(8))


def report_text(home: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The report as text."""
    write_or_print_report(home, "simulated", home / "report.html" if kind == "html" else None, kind, None)
    printed = capsys.readouterr().out
    return (home / "report.html").read_text() if kind == "html" else printed


def test_before_the_first_opening_the_report_does_not_mention_the_test_set(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert folder.is_dir()
    assert "test set" not in report_text(tmp_path, "md", capsys)
    found = json.loads(report_text(tmp_path, "json", capsys))
    assert (found["test_openings"], found["final"]) == (0, None)


def test_the_final_result_and_its_opening_are_reported(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record_opening(folder, Opening(WHEN, 4, "a" * 64, 4))
    write_final(folder, final_result())

    text = report_text(tmp_path, "md", capsys)
    assert "Test accuracy 0.7500, 95 % interval 0.3006 to 0.9544, on 4 images. The test set was opened once" in text
    assert "A tie: after 3 rounds" in text
    assert "WARNING" not in text
    found = json.loads(report_text(tmp_path, "json", capsys))
    assert (found["test_openings"], found["final"]["test_accuracy"]) == (1, 0.75)


def test_a_second_opening_is_a_warning_in_every_format_of_the_report(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for trial in (4, 5):
        record_opening(folder, Opening(WHEN, trial, "a" * 64, 4))

    for kind in ("md", "html"):
        text = report_text(tmp_path, kind, capsys)
        assert text.count("WARNING: the test set was opened 2 times") == 2, kind  # the section, and the cautions
        assert "The study has no final result" in text
    found = json.loads(report_text(tmp_path, "json", capsys))
    assert found["test_openings"] == 2
    assert found["cautions"][0].startswith("WARNING: the test set was opened 2 times")


OVER = CurveFinding("over-fitting", "accuracy 0.98 in training, 0.66 in validation")
ENDED = "2025-01-02T10:01:00+00:00"


def test_a_report_counts_curve_findings_and_lists_those_of_the_best_trials() -> None:
    trials = history(
        complete(0, 0.9, diagnosis=(OVER,), finished=ENDED),
        complete(1, 0.8, finished=ENDED),
        pruned(2, 0.1, diagnosis=(OVER,), finished=ENDED),
    )

    assert curve_summary(trials) == "The curves of 3 trials that ended show over-fitting in 2."
    assert curve_notes(trials) == ("Trial 0: over-fitting: accuracy 0.98 in training, 0.66 in validation.",)
    assert curve_summary(trials) in curves_section(trials).answer


def test_a_study_with_good_curves_has_no_curve_findings() -> None:
    fine = history(complete(0, 0.9, finished=ENDED))

    assert curve_summary(fine) == ""
    assert curve_notes(fine) == ()
