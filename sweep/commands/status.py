"""Looking at a study and its trials from the terminal. Opens no database and imports no TensorFlow."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live

from sweep.errors import NothingFinished
from sweep.records.home import Home
from sweep.records.openings_ledger import openings_text, read_openings
from sweep.records.study_lock import holder
from sweep.records.trial_record import TrialRecord, as_interrupted, record_to_mapping
from sweep.space.config import config_to_mapping
from sweep.space.nested import flatten
from sweep.study.optuna_study import find_record, ranked, read_records
from sweep.terminal.console import make_console
from sweep.terminal.trial_view import differing_table, status_view, trial_view

WATCH_SECONDS = 2.0


def status_command(root: Path, study: str, watch: bool, as_json: bool) -> None:
    """Print how a study stands.

    Raises:
        StudyError: there is no such study.
    """
    folder = Home(root).study(study)
    records, run_by = _standing(folder)
    if as_json:
        print(json.dumps(status_mapping(study, records, run_by, len(read_openings(folder)))))
        return
    console = make_console()
    if not (watch and console.is_terminal):
        console.print(status_view(study, records, run_by, openings_text(read_openings(folder))))
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            opened = openings_text(read_openings(folder))
            live.update(status_view(study, *_standing(folder), opened), refresh=True)
            time.sleep(WATCH_SECONDS)


def _standing(folder: Path) -> tuple[list[TrialRecord], str | None]:
    """The records, and who runs the study; where nobody does, no trial is running whatever its record says."""
    run_by = holder(folder)
    records = read_records(folder)
    return (records if run_by else [as_interrupted(record) for record in records]), run_by


def status_mapping(
    study: str, records: Sequence[TrialRecord], run_by: str | None, test_openings: int
) -> dict[str, Any]:
    """The status as plain values."""
    best = ranked(records)
    return {
        "study": study,
        "run_by": run_by,
        "trials": dict(Counter(record.state for record in records)),
        "test_openings": test_openings,
        "running": [
            {"trial": record.number, "epochs": len(record.epochs), "of": record.config.training.epochs}
            for record in records
            if record.state == "running"
        ],
        "best": None
        if not best
        else {"trial": best[0].number, best[0].config.objective: best[0].objective_value, "epoch": best[0].best_epoch},
    }


def show_command(root: Path, study: str, number: int | None, as_json: bool) -> None:
    """Print everything of one trial.

    Raises:
        StudyError: there is no such study or trial.
        NothingFinished: the best trial is wanted, and none has finished.
    """
    folder = Home(root).study(study)
    if number is None and not ranked(read_records(folder)):
        raise NothingFinished(f"the study {study} has no finished trial yet; name one: sweep show 0 --study {study}")
    record = find_record(folder, number)
    if as_json:
        print(json.dumps(record_to_mapping(record)))
        return
    make_console().print(trial_view(record, folder))


def diff_command(root: Path, study: str, first: int, second: int, as_json: bool) -> None:
    """Print what two trials have otherwise.

    Raises:
        StudyError: there is no such study or trial.
    """
    folder = Home(root).study(study)
    records = (find_record(folder, first), find_record(folder, second))
    parts = {
        "result": differing(*(result_mapping(record) for record in records)),
        "configuration": differing(*(flatten(config_to_mapping(record.config)) for record in records)),
        "environment": differing(*(record.environment for record in records)),
    }
    if as_json:
        print(json.dumps({"trials": [first, second], **parts}))
        return
    tables: list[RenderableType] = [
        differing_table(title, rows, (first, second)) for title, rows in parts.items() if rows
    ]
    make_console().print(Group(*tables) if tables else "the two trials have everything in common")


def result_mapping(record: TrialRecord) -> dict[str, Any]:
    """What came of a trial, as flat values."""
    last = record.epochs[-1] if record.epochs else None
    return {
        "state": record.state,
        "reason": record.reason,
        record.config.objective: record.objective_value,
        "best epoch": record.best_epoch,
        "epochs": len(record.epochs),
        "last loss": last.loss if last else None,
        "last val_loss": last.val_loss if last else None,
        "parameters": record.parameters,
        "seconds": record.timings.get("total"),
    }


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The keys whose values are not the same, with both; None stands for an absent one."""
    keys = dict.fromkeys([*first, *second])
    return {key: (first.get(key), second.get(key)) for key in keys if first.get(key) != second.get(key)}
