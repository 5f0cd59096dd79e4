"""The output while a sweep runs: a live table on a terminal, otherwise a line per ended trial."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from sweep.analysis.formatting import count, duration, metric
from sweep.analysis.trial_row import result_text
from sweep.records.trial_record import TrialRecord
from sweep.terminal.console import plain_table
from sweep.terminal.tally import Tally

STYLES = {"running": "cyan", "complete": "green", "pruned": "yellow", "failed": "red", "interrupted": "magenta"}


@contextmanager
def run_display(console: Console, tally: Tally) -> Iterator[Callable[[TrialRecord, int], None]]:
    """Show a run while the block lasts.

    Yields:
        An observer of the trials, which also updates the tally.
    """
    if console.is_terminal and not console.quiet:

        def draw() -> Group:
            return render(tally, time.monotonic() - tally.started)

        with Live(get_renderable=draw, console=console, refresh_per_second=4, transient=True):
            yield tally
        return

    def print_ended(record: TrialRecord, worker: int) -> None:
        tally(record, worker)
        if record.state != "running":
            console.print(line(record, tally))

    yield print_ended


def render(tally: Tally, elapsed: float) -> Group:
    """Return the live table: a row per worker, and the totals `elapsed` seconds after the start."""
    table = plain_table()
    for heading in ("worker", "trial", "epoch", "", "val_accuracy", "val_loss", "best epoch"):
        table.add_column(heading, justify="right" if heading not in ("", "worker") else "left")
    for worker in range(tally.workers):
        table.add_row(*_worker_row(worker, tally))
    best = tally.best
    last = Text("no trial is complete yet", style="dim")
    if best:
        last = Text(
            f"best: trial {best.number:04d}, {best.config.objective} {metric(best.objective_value)}", "bold green"
        )
    return Group(table, Text(), _totals(tally, elapsed), last)


def _worker_row(worker: int, tally: Tally) -> tuple[str | Text | ProgressBar, ...]:
    record = tally.on_worker(worker)
    if record is None:
        return (str(worker), "-", "", Text("starting", style="dim"), "", "", "")
    bar: Text | ProgressBar = ProgressBar(tally.epochs, len(record.epochs), width=24)
    if record.state != "running":
        bar = Text(record.state, style=STYLES[record.state])
    numbers = ("", "", "")
    if record.epochs:
        last = record.epochs[-1]
        best = f"{record.objective_value:.4f} @{record.best_epoch}" if record.objective_value is not None else ""
        numbers = (f"{last.val_accuracy:.4f}", f"{last.val_loss:.4f}", best)
    return (str(worker), f"{record.number:04d}", f"{len(record.epochs)}/{tally.epochs}", bar, *numbers)


def _totals(tally: Tally, elapsed: float) -> Text:
    left = tally.seconds_left(elapsed)
    failed = tally.count("failed")
    parts = [
        Text(f"{tally.ended} of {tally.total} trials", style="bold"),
        Text(f"{tally.count('complete')} complete", style=STYLES["complete"]),
        Text(f"{tally.count('pruned')} pruned", style=STYLES["pruned"]),
        Text(f"{failed} failed", style=STYLES["failed"] if failed else "dim"),
        Text(duration(elapsed)),
        Text(f"about {duration(left)} left" if left is not None else "time left not known yet", style="dim"),
    ]
    return Text("   ").join(parts)


def line(record: TrialRecord, tally: Tally) -> str:
    """Return an ended trial as `[3/12] trial 0002 complete: val_accuracy 0.9506 at epoch 5, 6 epochs, 12.3 s`."""
    head = f"[{tally.ended}/{tally.total}] trial {record.number:04d} {record.state}"
    seconds = record.timings.get("total")
    tail = f", {duration(seconds)}" if seconds is not None else ""
    if record.state == "failed":
        return f"{head}: {record.reason}: {record.message.splitlines()[0] if record.message else ''}{tail}"
    value = f"{result_text(record)}, " if record.epochs else ""
    return f"{head}: {value}{count(len(record.epochs), 'epoch')}{tail}"
