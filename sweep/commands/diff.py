"""`sweep diff`: two trials side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType

from sweep.records.home import Home
from sweep.records.study_records import find_record
from sweep.records.trial_record import TrialRecord
from sweep.space.config import config_to_mapping, flatten
from sweep.terminal.console import make_console
from sweep.terminal.trial_view import differing_table


def show_differences(root: Path, study: str, first: int, second: int, as_json: bool) -> None:
    """Print how two trials differ.

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
    make_console().print(Group(*tables) if tables else "the two trials do not differ")


def result_mapping(record: TrialRecord) -> dict[str, Any]:
    """Return the result of a trial as a mapping without nested values."""
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
    """Return the keys with different values, with both values; None stands for a missing value."""
    keys = dict.fromkeys([*first, *second])
    return {key: (first.get(key), second.get(key)) for key in keys if first.get(key) != second.get(key)}
