"""The whole report: it never raises, gives the right answers, and escapes what users write."""

from __future__ import annotations

import csv
import dataclasses
import html
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweep.analysis.history import History
from sweep.analysis.report_findings import collect_findings, findings_mapping
from sweep.commands.report import write_or_print_report
from sweep.errors import NothingFinished, StudyError
from sweep.records.image_facts import DataStamp
from sweep.records.study_records import read_records
from sweep.records.trial_record import TrialRecord
from sweep.reporting.document import Document, Table
from sweep.reporting.render import to_csv, to_html, to_markdown
from sweep.reporting.report_page import Commands, report_document
from sweep.space.config import Objective
from sweep.space.parameters import Choice
from sweep.space.reader import read_space
from sweep.space.space import Space
from sweep.study.fork_study import incompatibility
from sweep.study.importance import importances
from tests.analysis.histories import complete, failed, history, make_space, pruned
from tests.reporting.simulate import simulate, simulated_space, write_study

EVIL = "<script>alert(1)</script>"
COMMANDS = Commands("reproduce it", "search it", "next_space.yaml")


def document_of(found: History) -> Document:
    """The report, with few resamples."""
    measured = importances(found.space, found.records, resamples=20)
    return report_document(found, collect_findings(found, measured, "demo-2"), COMMANDS)


def evil_history() -> History:
    """A study whose class names, choices, reasons and messages are all HTML."""
    space = make_space()
    words = Choice("word", ("model", "word"), choices=(EVIL, "plain"))
    space = dataclasses.replace(space, parameters=(*space.parameters, words))
    stamp = DataStamp("d" * 64, "5" * 64, 900, 100, (8, 8, 1), (EVIL, "1"))
    changes: dict[str, Any] = {"data": stamp, "reason": EVIL, "origin": EVIL}
    trials: list[TrialRecord] = [
        complete(
            n, 0.5 + 0.01 * n, values={"word": (EVIL, "plain")[n % 2], "learning_rate": 0.001 * (n + 1)}, **changes
        )
        for n in range(24)
    ]
    return History("demo", space, (*trials, failed(24, "bug", f"{EVIL}\n</pre>{EVIL}", data=stamp)))


def test_the_answers_come_in_the_order_of_the_questions() -> None:
    found = document_of(history(complete(0, 0.9), complete(1, 0.5), pruned(2, 0.1)))
    assert [section.anchor for section in found.sections] == [
        "winner", "search", "importance", "landscape", "curves", "pruning", "bounds", "hours", "failures", "cautions",
    ]  # fmt: skip
    assert (
        found.sections[0].answer[0]
        == "Trial 0 won with val_accuracy 0.9000 ± 0.0300, 0.4000 ahead of trial 1. That is more than noise."
    )


def test_without_a_winner_no_row_stands_out_and_no_sentence_mentions_one() -> None:
    running = complete(2, 0.9, state="running", reason="")
    only_pruned = document_of(history(pruned(0, 0.1), pruned(1, 0.2), running))
    (board, *_) = only_pruned.sections[0].blocks
    assert isinstance(board, Table)
    assert [row[:2] for row in board.rows] == [("1", "pruned"), ("0", "pruned")]
    assert board.led is False
    assert '<table class="ranking">' in to_html(only_pruned)
    assert only_pruned.charts[2].note == "Pruned trials are dotted."
    all_failed = document_of(history(failed(0), failed(1)))
    assert all_failed.sections[-1].answer == ("1 point to consider.",)
    winner = document_of(history(complete(0, 0.9), complete(1, 0.5)))
    assert '<table class="ranking led">' in to_html(winner)


def test_user_text_is_escaped() -> None:
    page = to_html(document_of(evil_history()))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in to_markdown(document_of(evil_history()))


def test_the_charts_data_cannot_end_their_script_element() -> None:
    for data in re.findall(
        r'<script type="application/json">(.*?)</script>', to_html(document_of(evil_history())), re.S
    ):
        assert "<" not in data
        json.loads(data)


def test_the_page_loads_nothing_and_its_policy_forbids_it() -> None:
    page = re.sub(r"<script.*?</script>", "", to_html(document_of(history(complete(0, 0.9)))), flags=re.S)
    assert "default-src 'none'" in html.unescape(page)
    assert not re.findall(r'(?:src|href)="(?!#|data:,)', page)


def test_csv_has_a_row_per_trial_and_a_column_per_parameter() -> None:
    found = history(complete(0, 0.9, values={"optimizer": "adam", "use_l2": False}), failed(1))
    text = to_csv(found, collect_findings(found, importances(found.space, found.records), "demo-2"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["trial"], row["state"], row["val_accuracy"], row["best_epoch"]) for row in rows] == [
        ("0", "complete", "0.9", "2"),
        ("1", "failed", "", ""),
    ]
    assert (rows[0]["optimizer"], rows[0]["use_l2"], rows[0]["momentum"]) == ("adam", "false", "")


def test_json_has_every_finding_and_every_trial() -> None:
    found = history(complete(0, 0.9), pruned(1, 0.5))
    mapping = json.loads(
        json.dumps(findings_mapping(found, collect_findings(found, importances(found.space, found.records), "demo-2")))
    )
    assert (mapping["lead"]["best"], mapping["lead"]["verdict"], len(mapping["standings"])) == (0, "alone", 2)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a simulated study of forty trials."""
    write_study(tmp_path, "demo", simulated_space(), simulate(40))
    return tmp_path


def test_the_command_writes_the_page_into_the_study_and_prints_its_path(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_or_print_report(home, "demo", None, "html", None)
    path = home / "studies" / "demo" / "report.html"
    assert capsys.readouterr().out == f"{path}\n"
    assert path.stat().st_size < 8e6


def test_an_unavailable_tracking_store_costs_a_line_and_not_the_report(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_or_print_report(home, "demo", None, "html", "http://127.0.0.1:1")
    output = capsys.readouterr()
    assert (home / "studies" / "demo" / "report.html").exists()
    assert output.err.startswith("the report is not in MLflow: http://127.0.0.1:1: the report cannot be written: ")
    assert output.err.count("\n") == 1


@pytest.mark.parametrize("kind", ["md", "csv", "json"])
def test_the_other_formats_go_to_standard_output_or_to_a_file(
    home: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    write_or_print_report(home, "demo", None, kind, None)
    printed = capsys.readouterr().out
    write_or_print_report(home, "demo", home / "out" / "file", kind, None)
    assert (home / "out" / "file").read_text(encoding="utf-8") == printed
    assert not (home / "studies" / "demo" / "next_space.yaml").exists()


def test_an_unknown_study_is_an_error_that_names_the_existing_ones(home: Path) -> None:
    with pytest.raises(StudyError, match=r"no study nope .* existing studies: demo"):
        write_or_print_report(home, "nope", None, "html", None)


def test_a_study_without_a_finished_trial_gets_its_report_and_exit_code_three(tmp_path: Path) -> None:
    cut = [record for record in simulate(30) if record.state == "pruned"]
    folder = write_study(tmp_path, "demo", simulated_space(), cut)
    with pytest.raises(NothingFinished) as caught:
        write_or_print_report(tmp_path, "demo", None, "html", None)
    assert caught.value.exit_code == 3
    assert (folder / "report.html").exists()


def test_a_study_without_trials_gets_no_report(tmp_path: Path) -> None:
    folder = write_study(tmp_path, "demo", simulated_space(), [])
    with pytest.raises(NothingFinished, match="no trial yet"):
        write_or_print_report(tmp_path, "demo", None, "html", None)
    assert not (folder / "report.html").exists()


def test_the_next_space_can_be_read_and_is_wider(tmp_path: Path) -> None:
    folder = write_study(tmp_path, "demo", simulated_space(), simulate(200))
    write_or_print_report(tmp_path, "demo", None, "html", None)
    space = read_space(folder / "next_space.yaml")
    rate = next(parameter for parameter in space.parameters if parameter.name == "learning_rate")
    assert (space.study, getattr(rate, "high", None)) == ("demo-2", 0.1)
    finished = [record for record in read_records(folder) if record.state in ("complete", "pruned")]
    assert {incompatibility(record, space) for record in finished} == {None}  # a fork copies all of them
    assert "--study demo --fork demo-2 --trials 400" in (folder / "report.html").read_text(encoding="utf-8")


def test_importance_finds_the_parameters_that_matter_in_the_simulation() -> None:
    measured = importances(simulated_space(), simulate(200), resamples=20)
    assert [row.name for row in measured.rows[:2]] == ["learning_rate", "blocks"]
    assert measured.rows[0].matters
    assert measured.rows[0].low <= measured.rows[0].share <= 1
    assert not measured.by_name["optimizer"].matters


def test_importance_is_deterministic_and_empty_for_few_trials() -> None:
    records = simulate(60)
    assert importances(simulated_space(), records, resamples=20) == importances(
        simulated_space(), records, resamples=20
    )
    assert importances(simulated_space(), records[:15]).rows == ()


@st.composite
def strange_records(draw: st.DrawFn, space: Space) -> TrialRecord:
    """Records in any state, with missing and odd values."""
    state = draw(st.sampled_from(["running", "interrupted", "complete", "pruned", "failed"]))
    accuracies = tuple(draw(st.lists(st.floats(0, 1), max_size=4)))
    odd = st.one_of(st.text(max_size=5), st.integers(-3, 300), st.floats(-1, 1), st.booleans(), st.none())
    names = st.sampled_from([*(parameter.name for parameter in space.parameters), "unknown"])
    changes: dict[str, Any] = {
        "state": state,
        "reason": draw(st.text(max_size=8)),
        "message": draw(st.text(max_size=20)),
        "values": draw(st.dictionaries(names, odd, max_size=6)),
        "finished": draw(st.sampled_from([None, "never", "2025-01-02T10:00:00+00:00", "2025-01-02T11:00:00"])),
        "timings": draw(st.dictionaries(st.sampled_from(["fit", "build", "total"]), st.floats(-1, 1e9), max_size=3)),
    }
    if draw(st.booleans()):
        changes["objective_value"] = draw(st.one_of(st.none(), st.floats(-1e30, 1e30)))
    return complete(draw(st.integers(0, 9999)), 0.5, **changes) if not accuracies else pruned(
        draw(st.integers(0, 9999)), *accuracies, **changes)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_no_list_of_records_breaks_the_report(data: st.DataObject) -> None:
    objective: Objective = data.draw(st.sampled_from(["val_accuracy", "val_loss"]))
    space = dataclasses.replace(make_space(), search=dataclasses.replace(make_space().search, objective=objective))
    found = history(*data.draw(st.lists(strange_records(space), max_size=12)), space=space)
    document = document_of(found)
    to_html(document)
    to_markdown(document)
    findings = collect_findings(found, importances(space, found.records, resamples=20), "demo-2")
    to_csv(found, findings)
    json.dumps(findings_mapping(found, findings), allow_nan=False)
