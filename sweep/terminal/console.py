"""Consoles and progress bars, made in one way."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

LOG_WIDTH = 160


def make_console(*, quiet: bool = False, as_json: bool = False) -> Console:
    """Where a command talks to people; silent with `--json`, whose output alone goes to standard output.

    Markup is off, because `[true, false]` in a message is text. A notebook gets plain lines: rich would make a block of
    HTML of each, and the stream says that it is a terminal but cannot move its cursor.
    """
    stream = sys.stderr if as_json else sys.stdout
    notebook = Console(file=stream).is_jupyter
    wrap = stream.isatty() and not notebook  # in a log or a pipe a line is a line, however long
    return Console(
        file=stream,
        quiet=quiet or as_json,
        markup=False,
        highlight=False,
        soft_wrap=not wrap,
        force_jupyter=False,
        width=None if wrap else LOG_WIDTH,  # rich takes 80 for it, and would cut tables there
        force_terminal=False if notebook else None,
    )


def print_table(console: Console, table: Table) -> None:
    """Print a table; where there is no terminal, as wide as it wants to be, because a log or a pipe has no edge."""
    console.print(table, width=None if console.is_terminal else LOG_WIDTH)


@contextmanager
def reading_bar(console: Console, label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar that appears with the first call of `advance(done, total)` and is gone at the end.

    Where the console is no terminal there is none: it would leave empty lines in a log.
    """
    if not console.is_terminal:
        yield lambda done, total: None  # noqa: ARG005 - the signature of a progress function
        return
    progress = Progress(console=console, transient=True)
    task = progress.add_task(label, total=None)

    def advance(done: int, total: int) -> None:
        progress.start()
        progress.update(task, completed=done, total=total)

    try:
        yield advance
    finally:
        if progress.live.is_started:
            progress.stop()
