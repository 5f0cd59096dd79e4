"""Reading a study and writing its report."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

from sweep.analysis.history import History
from sweep.analysis.next_space import next_name
from sweep.analysis.report_findings import ReportFindings, collect_findings, findings_mapping
from sweep.errors import NothingFinished, TrackingError, UserError
from sweep.records.atomic_writing import atomic_write
from sweep.records.final_result import read_final
from sweep.records.home import Home
from sweep.records.openings_ledger import read_openings
from sweep.records.study_id import study_id
from sweep.records.study_records import read_records
from sweep.reporting.render import to_csv, to_html, to_markdown
from sweep.reporting.report_page import Commands, report_document
from sweep.space.writer import space_to_yaml
from sweep.study.importance import importances
from sweep.study.open_study import stored_space
from sweep.tracking.open_mlflow import add_report_to_mlflow
from sweep.tracking.tracker import REPORT_FILE, StudyInfo

NEXT_SPACE = "next_space.yaml"


def write_or_print_report(root: Path, study: str, out: Path | None, kind: str, uri: str | None) -> None:
    """Run the command: write the report, or print it.

    The page that lies beside the study is added to MLflow as well, where the study has a run there.

    Raises:
        UserError: there is no such study, or the report cannot be written.
        NothingFinished: no trial has reached its end; where there are trials the report is written all the same.
    """
    home = Home(root)
    history = _history(home, study)
    if kind == "html":
        print(_write_page(home, history, out, uri))
    elif out is None:
        sys.stdout.write(_text(home, history, None, kind))
    else:
        _write(out, _text(home, history, out, kind))
        print(out)
    if not history.ranked:
        raise NothingFinished(f"no trial of the study {study} has reached its end; the report says how far they came")


def write_page(home: Home, study: str, out: Path | None, uri: str | None) -> Path:
    """Write the page, beside the study and into MLflow where `out` names no other place.

    Returns:
        Where it is.

    Raises:
        UserError: there is no such study, or the page cannot be written.
        NothingFinished: the study has no trial yet.
    """
    return _write_page(home, _history(home, study), out, uri)


def _write_page(home: Home, history: History, out: Path | None, uri: str | None) -> Path:
    target = out or home.study(history.study) / REPORT_FILE
    _write(target, _text(home, history, target, "html"))
    if out is None:
        _add_to_mlflow(home, history, uri)
    return target


def write_page_beside_study(root: Path, study: str) -> None:
    """Write the page beside the study.

    Raises:
        UserError: there is no such study, or the page cannot be written.
        NothingFinished: the study has no trial yet.
    """
    home = Home(root)
    history, target = _history(home, study), home.study(study) / REPORT_FILE
    _write(target, _text(home, history, target, "html"))


def _history(home: Home, study: str) -> History:
    folder = home.study(study)
    records = tuple(read_records(folder))
    history = History(study, stored_space(folder), records, read_openings(folder), read_final(folder))
    if not history.records:
        raise NothingFinished(f"the study {study} has no trial yet, so there is nothing to report")
    return history


def _add_to_mlflow(home: Home, history: History, uri: str | None) -> None:
    """The page is written by now, so a store that is away is worth a line and no more."""
    folder = home.study(history.study)
    info = StudyInfo(history.study, study_id(folder), "", history.objective, folder)
    try:
        add_report_to_mlflow(info, uri, home.root)
    except TrackingError as error:
        print(f"not added to MLflow: {error}", file=sys.stderr)


def _text(home: Home, history: History, target: Path | None, kind: str) -> str:
    taken = [path.name for path in home.studies.iterdir()]
    judged = () if kind == "csv" else history.records  # the table says nothing of importance, which takes seconds
    findings = collect_findings(history, importances(history.space, judged), next_name(history.study, taken))
    if kind == "json":
        return json.dumps(findings_mapping(history, findings), indent=2, allow_nan=False) + "\n"
    if kind == "csv":
        return to_csv(history, findings)
    if kind == "md":
        return to_markdown(report_document(history, findings, _commands(home, history, findings, None)))
    return to_html(report_document(history, findings, _commands(home, history, findings, target)))


def _commands(home: Home, history: History, findings: ReportFindings, target: Path | None) -> Commands:
    """What to type next; the next space is written beside the HTML page."""
    where = [] if home.root == Path() else ["--home", str(home.root)]
    reproduce = ["python", "-m", "sweep.reproduce", "--study", history.study, *where]
    space = findings.next_space.space
    file = target.parent / NEXT_SPACE if target is not None and space is not None else None
    if file is not None and space is not None:
        _write(file, space_to_yaml(space))
    go_on = ["python", "-m", "sweep.run", "--space", str(file), "--study", history.study, "--fork", findings.next_study]
    go_on += ["--trials", str(2 * len(history.records)), *where]
    return Commands(shlex.join(reproduce), shlex.join(go_on), NEXT_SPACE if file is not None else "")


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        UserError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{path}: the report cannot be written: {error.strerror}; name another file with --out"
        ) from error
