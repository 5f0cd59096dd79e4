"""`sweep show`: everything about one trial."""

from __future__ import annotations

import json
from pathlib import Path

from sweep.errors import NothingFinished
from sweep.records.home import Home
from sweep.records.study_records import find_record, ranked, read_records
from sweep.records.trial_record import record_to_mapping
from sweep.terminal.console import make_console
from sweep.terminal.trial_view import trial_view


def show_trial(root: Path, study: str, number: int | None, as_json: bool) -> None:
    """Print everything about one trial.

    Raises:
        StudyError: there is no such study or trial.
        NothingFinished: `number` is None, which means the best trial, but no trial is complete.
    """
    folder = Home(root).study(study)
    if number is None and not ranked(read_records(folder)):
        raise NothingFinished(f"the study {study} has no complete trial yet; name one: sweep show 0 --study {study}")
    record = find_record(folder, number)
    if as_json:
        print(json.dumps(record_to_mapping(record)))
        return
    make_console().print(trial_view(record, folder))
