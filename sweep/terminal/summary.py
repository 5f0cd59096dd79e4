"""The summary at the end of a sweep: the best trials, why trials failed, where the results are, what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweep.analysis.formatting import count, duration, format_values, numbers
from sweep.analysis.trial_row import states_text, trial_row
from sweep.execution.workers import Usage
from sweep.records.curve_findings import guessing_limit
from sweep.records.study_records import ranked
from sweep.records.trial_record import TrialRecord
from sweep.terminal.console import plain_table

SHOWN = 5


def summary_mapping(
    study: str, records: Sequence[TrialRecord], usage: Usage, places: Mapping[str, str]
) -> dict[str, Any]:
    """Return the summary as JSON values."""
    return {
        "study": study,
        "trials": dict(Counter(record.state for record in records)),
        "failures": dict(Counter(record.reason for record in records if record.state == "failed")),
        "best": [_row_mapping(record) for record in ranked(records)[:SHOWN]],
        "workers": usage.workers,
        "wall_seconds": round(usage.wall_seconds, 3),
        "fit_seconds": round(usage.fit_seconds, 3),
        "fit_share": round(usage.fit_share, 4),
        "images_per_second": round(usage.images_per_second, 1),
        "places": dict(places),
    }


def _row_mapping(record: TrialRecord) -> dict[str, Any]:
    row = trial_row(record)
    return {
        "trial": row.number,
        record.config.objective: row.value,
        "epoch": row.best_epoch,
        "epochs": row.epochs,
        "parameters": row.parameters,
        "seconds": round(row.seconds or 0.0, 3),
        "values": dict(row.values),
    }


def print_summary(console: Console, records: Sequence[TrialRecord], usage: Usage, places: Mapping[str, str]) -> None:
    """Print the summary."""
    best = ranked(records)
    if best:
        console.print(best_table(best[:SHOWN]))
        console.print(Text(f"trial {best[0].number:04d}: {format_values(best[0].values)}", style="dim"))
        if _may_guess(best):
            classes = len(best[0].data.classes)
            console.print(
                f"No trial is better than guessing one of {classes} classes (accuracy {1 / classes:.4f}). Try more "
                "epochs or images, or other learning rates.",
                style="yellow",
            )
        console.print()
    console.print(f"{count(len(records), 'trial')}: {states_text(records)}")
    failed = [record for record in records if record.state == "failed"]
    for reason in dict.fromkeys(record.reason for record in failed):
        group = [record for record in failed if record.reason == reason]
        example = group[0].message.splitlines()[0] if group[0].message else ""
        console.print(
            Text(f"  failed ({reason}): {numbers([record.number for record in group])}: {example}", style="red")
        )
    if usage.images:
        console.print(
            f"{duration(usage.wall_seconds)}, {usage.images_per_second:,.0f} images/s over "
            f"{count(usage.workers, 'worker')}, {usage.fit_share:.0%} of their time inside fit",
        )
    for name, place in places.items():
        console.print(Text(f"{name:<12} {place}"))


def _may_guess(best: Sequence[TrialRecord]) -> bool:
    """Return True if even the best accuracy of all complete trials may be due to chance."""
    data = best[0].data
    reached = max(epoch.val_accuracy for record in best for epoch in record.epochs)
    return reached <= guessing_limit(len(data.classes), data.validation)


def best_table(records: Sequence[TrialRecord]) -> Table:
    """Return a table with a row per trial."""
    table = plain_table("best trials", space=2)
    objective = records[0].config.objective
    headings = ("trial", objective, "best epoch", "parameters", "time")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for record in records:
        texts = trial_row(record).texts(objective) | {"trial": f"{record.number:04d}"}
        table.add_row(*(texts[heading] for heading in headings))
    return table
