"""Write the report of a study."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from sweep.analysis.history import History
from sweep.analysis.next_space import next_name
from sweep.analysis.report_findings import ReportFindings, collect_findings, findings_mapping
from sweep.commands.output_files import make_parent, write_output
from sweep.errors import NothingFinished, TrackingError
from sweep.invocation import home_option
from sweep.records.final_result import read_final
from sweep.records.held_file import HeldFile
from sweep.records.home import Home
from sweep.records.openings_ledger import read_openings
from sweep.records.study_id import study_id
from sweep.records.study_lock import check_lock
from sweep.records.study_records import read_records
from sweep.records.trial_record import TrialRecord
from sweep.reporting.render import to_csv, to_html, to_markdown
from sweep.reporting.report_page import Commands, report_document
from sweep.space.writer import space_to_yaml
from sweep.study.importance import importances
from sweep.study.open_study import stored_space
from sweep.tracking.open_mlflow import add_report_to_mlflow
from sweep.tracking.tracker import REPORT_FILE, StudyInfo

NEXT_SPACE = "next_space.yaml"


def write_or_print_report(root: Path, study: str, out: Path | None, kind: str, uri: str | None) -> None:
    """Run the command.

    Raises:
        UserError: there is no such study, or the report cannot be written.
        NothingFinished: no trial is complete; the report of the other trials is written nevertheless.
    """
    home = Home(root)
    history = read_history(home, study)
    if kind == "html":
        print(write_page(home, history, out, uri))
    elif out is None:
        sys.stdout.write(_text(home, history, kind))
    else:
        make_parent(out, "--out")
        write_output(out, _text(home, history, kind), "--out")
        print(out)
    if not history.ranked:
        raise NothingFinished(f"no trial of the study {study} is complete; the report shows how far the trials got")


def read_history(home: Home, study: str) -> History:
    """Read everything that a report shows.

    Raises:
        UserError: there is no such study, or a file cannot be read.
        NothingFinished: the study has no trial yet.
    """
    folder = home.study(study)
    records = tuple(read_records(folder))
    if not records:
        raise NothingFinished(f"the study {study} has no trial yet, so there is nothing to report")
    return History(study, stored_space(folder), records, read_openings(folder), read_final(folder))


def write_page(home: Home, history: History, out: Path | None, uri: str | None) -> Path:
    """Write the HTML page to `out`; without `out`, to the study's folder and, if there is one, its run in MLflow.

    Returns:
        The path of the page.

    Raises:
        UserError: the page cannot be written.
    """
    if out is not None:
        make_parent(out, "--out")
    target = out or home.study(history.study) / REPORT_FILE  # a study that was removed is not created again
    _write_html(home, history, target)
    if out is None:
        _add_to_mlflow(home, history, uri)
    return target


def write_page_in_study(home: Home, study: str, lock: HeldFile | None = None) -> None:
    """Write the HTML page to the study's folder.

    Args:
        home: the folder of the studies.
        study: the study's name.
        lock: the file of the study's lock, if the caller's process holds it.

    Raises:
        StudyError: the study's folder was moved, removed or replaced; the page is not written.
        UserError: there is no such study, or the page cannot be written.
        NothingFinished: the study has no trial yet.
    """
    history, target = read_history(home, study), home.study(study) / REPORT_FILE
    _write_html(home, history, target, lock)


def _write_html(home: Home, history: History, target: Path, lock: HeldFile | None = None) -> None:
    """Write the page and, next to it, the suggested next space; check the lock after the seconds of computing them."""
    findings = _findings(home, history, history.records)
    space = findings.next_space.space
    file = target.parent / NEXT_SPACE if space is not None else None
    page = to_html(report_document(history, findings, _commands(home, history, findings, file)))
    if lock is not None:
        check_lock(lock)
    if file is not None and space is not None:
        write_output(file, space_to_yaml(space), "--out")
    write_output(target, page, "--out")


def _add_to_mlflow(home: Home, history: History, uri: str | None) -> None:
    """Add the page to MLflow; if the store is unreachable, print a message instead of failing: the file is written."""
    folder = home.study(history.study)
    info = StudyInfo(history.study, study_id(folder), "", history.objective, folder)
    try:
        add_report_to_mlflow(info, uri, home.root)
    except TrackingError as error:
        print(f"the report is not in MLflow: {error}", file=sys.stderr)


def _findings(home: Home, history: History, judged: Sequence[TrialRecord]) -> ReportFindings:
    taken = [path.name for path in home.studies.iterdir()]
    return collect_findings(history, importances(history.space, judged), next_name(history.study, taken))


def _text(home: Home, history: History, kind: str) -> str:
    # The table has no importances, and computing them takes seconds.
    findings = _findings(home, history, () if kind == "csv" else history.records)
    if kind == "json":
        return json.dumps(findings_mapping(history, findings), indent=2, allow_nan=False) + "\n"
    if kind == "csv":
        return to_csv(history, findings)
    return to_markdown(report_document(history, findings, _commands(home, history, findings, None)))


def _commands(home: Home, history: History, findings: ReportFindings, file: Path | None) -> Commands:
    """Return the suggested commands; `file` is the file of the suggested next space."""
    option = home_option(home.root)
    reproduce = f"python -m sweep.reproduce --study {history.study}{option}"
    search = (
        f"python -m sweep.run --space {shlex.quote(str(file))} --study {history.study} --fork {findings.next_study} "
        f"--trials {2 * len(history.records)}{option}"
    )
    return Commands(reproduce, search, NEXT_SPACE if file is not None else "")
