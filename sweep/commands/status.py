"""`sweep status`: the state of a study. Opens no database and imports no TensorFlow."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.live import Live

from sweep.records.home import Home
from sweep.records.openings_ledger import openings_text, read_openings
from sweep.records.study_lock import holder
from sweep.records.study_records import ranked, read_records
from sweep.records.trial_record import TrialRecord, as_interrupted
from sweep.terminal.console import make_console
from sweep.terminal.trial_view import status_view

WATCH_SECONDS = 2.0


def show_status(root: Path, study: str, watch: bool, as_json: bool) -> None:
    """Print the state of a study.

    Raises:
        StudyError: there is no such study.
    """
    folder = Home(root).study(study)
    records, run_by = _read_state(folder)
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
            live.update(status_view(study, *_read_state(folder), opened), refresh=True)
            time.sleep(WATCH_SECONDS)


def _read_state(folder: Path) -> tuple[list[TrialRecord], str | None]:
    """Return the records and the process that runs the study; if none does, `running` trials become `interrupted`."""
    run_by = holder(folder)
    records = read_records(folder)
    return (records if run_by else [as_interrupted(record) for record in records]), run_by


def status_mapping(
    study: str, records: Sequence[TrialRecord], run_by: str | None, test_openings: int
) -> dict[str, Any]:
    """Return the status as JSON values."""
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
