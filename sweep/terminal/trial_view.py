"""A study and a trial as text: tables and small curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sweep.analysis.formatting import duration
from sweep.analysis.trial_row import result_text, states_text
from sweep.records.study_records import ranked
from sweep.records.trial_record import TrialRecord, has_ended, trial_folder
from sweep.space.config import config_to_mapping, flatten
from sweep.terminal.console import plain_table
from sweep.terminal.display import STYLES
from sweep.terminal.summary import SHOWN, best_table

BARS = "▁▂▃▄▅▆▇█"
CURVES = ("loss", "val_loss", "accuracy", "val_accuracy", "learning_rate")


def status_view(study: str, records: Sequence[TrialRecord], run_by: str | None, opened: str = "") -> Group:
    """Return the state of a study.

    Args:
        study: name of the study.
        records: records of its trials.
        run_by: the process that runs the study; None if no process runs it.
        opened: how often the test set was opened; "" if it was not.
    """
    states = states_text(records) or "no trials yet"
    lines: list[RenderableType] = [Text(f"study {study}: {states}; {f'run by {run_by}' if run_by else 'not running'}")]
    for record in records:
        if not has_ended(record):
            epochs = f"{len(record.epochs)}/{record.config.training.epochs} epochs"
            best = "" if record.objective_value is None else f", best {record.objective_value:.4f} @{record.best_epoch}"
            waits = "; the next run resumes it" if record.state == "interrupted" else ""
            lines.append(Text(f"  trial {record.number:04d} {epochs}{best}{waits}", style=STYLES[record.state]))
    if opened:
        lines.append(Text(opened, style="bold red" if opened.startswith("WARNING") else ""))
    leaders = ranked(records)[:SHOWN]
    return Group(*lines, best_table(leaders) if leaders else Text("no trial is complete yet", style="dim"))


def trial_view(record: TrialRecord, folder: Path) -> Group:
    """Return everything about a trial of the study in `folder`."""
    head = Text(f"trial {record.number:04d} of {record.study}: {record.state}", style=f"bold {STYLES[record.state]}")
    if record.objective_value is not None:
        head.append(f", {result_text(record)}")
    parts: list[RenderableType] = [head, Text(record.reason)]
    if record.message:
        parts.append(Text(record.message, style=STYLES["failed"]))
    parts += [Text(str(finding), style="yellow") for finding in record.diagnosis]
    return Group(
        *parts,
        _section("", _facts(record, folder)),
        _section("sampled", record.values),
        curves(record),
        _section("configuration", flatten(config_to_mapping(record.config))),
        _section("environment", record.environment),
    )


def _facts(record: TrialRecord, folder: Path) -> dict[str, Any]:
    place = trial_folder(folder, record.number)
    data = record.data
    facts = {
        "epochs": len(record.epochs),
        "parameters": None if record.parameters is None else f"{record.parameters:,}",
        "time": ", ".join(f"{name} {duration(seconds)}" for name, seconds in record.timings.items()) or None,
        "started": record.started,
        "ended": record.finished,
        "origin": record.origin,
        "images": f"{data.train:,} training, {data.validation:,} validation, digest {data.digest[:12]}",
        "weights": record.weights_digest[:12] if record.weights_digest else None,
        "notes": "; ".join(record.notes) or None,
        "same model as": None if record.same_model_as is None else f"trial {record.same_model_as:04d}, other values",
        "model": str(place / record.model_file) if record.model_file else None,
        "folder": str(place),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _section(title: str, values: Mapping[str, Any]) -> Table:
    table = plain_table(title, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in values.items():
        table.add_row(name, Text(_text(value)))
    return table


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def curves(record: TrialRecord) -> Table:
    """Return a row per metric: first value, curve, last value, and the best."""
    table = plain_table("epochs")
    for heading in ("metric", "first", "curve", "last", "best"):
        table.add_column(heading, justify="left" if heading in ("metric", "curve") else "right")
    for name in CURVES if record.epochs else ():
        values = [float(getattr(metrics, name)) for metrics in record.epochs]
        best = max(values) if name.endswith("accuracy") else min(values)
        table.add_row(
            name,
            f"{values[0]:.4g}",
            sparkline(values),
            f"{values[-1]:.4g}",
            "" if name == "learning_rate" else f"{best:.4g}",
        )
    return table


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """Return a bar per value, the lowest for the smallest value; more than `width` values are thinned out evenly."""
    if len(values) > width:
        values = [values[round(index * (len(values) - 1) / (width - 1))] for index in range(width)]
    low, high = min(values, default=0.0), max(values, default=0.0)
    spread = high - low
    return "".join(BARS[round((value - low) / spread * (len(BARS) - 1))] if spread else BARS[0] for value in values)


def differing_table(title: str, rows: Mapping[str, tuple[Any, Any]], numbers: tuple[int, int]) -> Table:
    """Return how two trials differ, side by side."""
    table = plain_table(title, space=2)
    table.add_column("", style="dim", no_wrap=True)
    for number in numbers:
        table.add_column(f"trial {number:04d}", justify="right", overflow="fold")
    for name, (first, second) in rows.items():
        table.add_row(name, Text(_text(first)), Text(_text(second)))
    return table
