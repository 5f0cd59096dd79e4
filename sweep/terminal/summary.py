"""What is said when a sweep has ended: the best trials, why others failed, where things are, what to type next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweep.analysis.formatting import count, duration, format_values
from sweep.analysis.trial_row import trial_row
from sweep.execution.workers import Usage
from sweep.invocation import command_text
from sweep.records.curve_findings import guessing_limit
from sweep.records.study_records import ranked
from sweep.records.trial_record import TrialRecord

SHOWN = 5


def summary_mapping(
    study: str, records: Sequence[TrialRecord], usage: Usage, places: Mapping[str, str]
) -> dict[str, Any]:
    """The summary as plain values, for `--json`."""
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
    return {
        "trial": record.number,
        record.config.objective: record.objective_value,
        "epoch": record.best_epoch,
        "epochs": len(record.epochs),
        "parameters": record.parameters,
        "seconds": round(record.timings.get("total", 0.0), 3),
        "values": dict(record.values),
    }


def print_summary(console: Console, records: Sequence[TrialRecord], usage: Usage, places: Mapping[str, str]) -> None:
    """Print it for people."""
    best = ranked(records)
    if best:
        console.print(best_table(best[:SHOWN]))
        console.print(Text(f"trial {best[0].number:04d}: {format_values(best[0].values)}", style="dim"))
        if _may_guess(best):
            classes = len(best[0].data.classes)
            console.print(
                f"No trial is better than guessing, which gets one of {classes} right ({1 / classes:.4f}): more epochs "
                "or images, or other learning rates",
                style="yellow",
            )
        console.print()
    counts = Counter(record.state for record in records)
    told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    console.print(f"{count(len(records), 'trial')}: {told}")
    for reason, failed in _by_reason(records).items():
        numbers = ", ".join(str(record.number) for record in failed[:8])
        example = failed[0].message.splitlines()[0] if failed[0].message else ""
        console.print(Text(f"  failed ({reason}): trials {numbers}: {example}", style="red"))
    if usage.images:
        console.print(
            f"{duration(usage.wall_seconds)}, {usage.images_per_second:,.0f} images/s over "
            f"{count(usage.workers, 'worker')}, {usage.fit_share:.0%} of their time inside fit",
        )
    for name, place in places.items():
        console.print(Text(f"{name:<12} {place}"))


def _may_guess(best: Sequence[TrialRecord]) -> bool:
    """Whether even the best accuracy of any trial that reached its end may have come by chance."""
    data = best[0].data
    reached = max(epoch.val_accuracy for record in best for epoch in record.epochs)
    return reached <= guessing_limit(len(data.classes), data.validation)


def _by_reason(records: Sequence[TrialRecord]) -> dict[str, list[TrialRecord]]:
    found: dict[str, list[TrialRecord]] = {}
    for record in records:
        if record.state == "failed":
            found.setdefault(record.reason, []).append(record)
    return found


def best_table(records: Sequence[TrialRecord]) -> Table:
    """The given trials, one a row."""
    table = Table(
        title="best trials", title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2)
    )
    objective = records[0].config.objective
    headings = ("trial", objective, "best epoch", "parameters", "time")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for record in records:
        texts = trial_row(record).texts(objective) | {"trial": f"{record.number:04d}"}
        table.add_row(*(texts[heading] for heading in headings))
    return table


def report_hint(study: str, home: str, words: Literal["shell", "python"]) -> str:
    """What writes the report; see `next_hint`."""
    if words == "python":
        return "study.report()"
    return f"{command_text('report')} --study {study}{home}"


def next_hint(study: str, home: str, best: bool, words: Literal["shell", "python"]) -> str:
    """What one would do next: a command, whose option ` --home DIR` or nothing is `home`, or a call."""
    if words == "python":
        return "sweep.reproduce(study.best)" if best else "study.trials"
    return f"{command_text('reproduce' if best else 'status')} --study {study}{home}"
