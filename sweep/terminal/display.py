"""What is shown while a sweep runs: a live table on a terminal, a line per trial elsewhere, nothing if so wished."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweep.analysis.formatting import count, duration
from sweep.records.trial_record import TrialRecord
from sweep.terminal.tally import Tally

STYLES = {"running": "cyan", "complete": "green", "pruned": "yellow", "failed": "red", "interrupted": "magenta"}


class LiveDisplay:
    """A table with a row per worker and a line of totals, redrawn in place four times a second.

    Args:
        console: a terminal.
        tally: is fed with what the display is told.
    """

    def __init__(self, console: Console, tally: Tally) -> None:
        self._tally = tally
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> LiveDisplay:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def __call__(self, record: TrialRecord, worker: int) -> None:
        """Take a change of a trial; the next redraw shows it."""
        self._tally(record, worker)

    def _render(self) -> Group:
        return render(self._tally, time.monotonic() - self._tally.begun)


def render(tally: Tally, elapsed: float) -> Group:
    """The display at a moment, `elapsed` seconds after the run began."""
    table = Table(box=None, pad_edge=False)
    for heading in ("worker", "trial", "epoch", "", "val_accuracy", "val_loss", "best epoch"):
        table.add_column(heading, justify="right" if heading not in ("", "worker") else "left")
    for worker in range(tally.workers):
        table.add_row(*_worker_row(worker, tally))
    return Group(table, Text(), _totals(tally, elapsed), _best(tally))


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
    parts = [
        Text(f"{tally.ended} of {tally.total} trials", style="bold"),
        Text(f"{tally.count('complete')} complete", style=STYLES["complete"]),
        Text(f"{tally.count('pruned')} pruned", style=STYLES["pruned"]),
        Text(f"{tally.count('failed')} failed", style=STYLES["failed"] if tally.count("failed") else "dim"),
        Text(duration(elapsed)),
        Text(f"about {duration(left)} left" if left is not None else "time left not known yet", style="dim"),
    ]
    return Text("   ").join(parts)


def _best(tally: Tally) -> Text:
    best = tally.best
    if best is None:
        return Text("no trial has finished yet", style="dim")
    return Text(
        f"best: trial {best.number:04d}, {best.config.objective} {best.objective_value:.4f}", style="bold green"
    )


class PlainDisplay:
    """A line when a trial ends, for logs and pipes.

    Args:
        console: where to.
        tally: is fed with what the display is told.
    """

    def __init__(self, console: Console, tally: Tally) -> None:
        self._console = console
        self._tally = tally

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put back."""

    def __call__(self, record: TrialRecord, worker: int) -> None:
        """Take a change of a trial."""
        self._tally(record, worker)
        if record.state != "running":
            self._console.print(line(record, self._tally))


class NoDisplay(PlainDisplay):
    """Says nothing."""

    def __call__(self, record: TrialRecord, worker: int) -> None:
        """Only count."""
        self._tally(record, worker)


def line(record: TrialRecord, tally: Tally) -> str:
    """One ended trial in a line: `[3/12] trial 0002 complete: val_accuracy 0.9506 at epoch 5, 6 epochs, 12.3 s`."""
    head = f"[{tally.ended}/{tally.total}] trial {record.number:04d} {record.state}"
    seconds = record.timings.get("total")
    tail = f", {duration(seconds)}" if seconds is not None else ""
    if record.state == "failed":
        return f"{head}: {record.reason}: {record.message.splitlines()[0] if record.message else ''}{tail}"
    value = (
        f"{record.config.objective} {record.objective_value:.4f} at epoch {record.best_epoch}, "
        if record.epochs
        else ""
    )
    return f"{head}: {value}{count(len(record.epochs), 'epoch')}{tail}"
