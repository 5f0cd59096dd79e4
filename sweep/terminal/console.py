"""Consoles, tables and progress bars in one style."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

LOG_WIDTH = 160


def make_console(*, quiet: bool = False, as_json: bool = False) -> Console:
    """Return the console of a command. With `--json` it is silent: only the JSON text goes to standard output.

    Markup is off, because rich would read `[true, false]` as a style. A notebook gets plain lines: rich would make an
    HTML block of each line, and the stream of a notebook claims to be a terminal but cannot move a cursor.
    """
    stream = sys.stderr if as_json else sys.stdout
    notebook = Console(file=stream).is_jupyter
    wrap = stream.isatty() and not notebook  # lines in a log or a pipe are never wrapped
    return Console(
        file=stream,
        quiet=quiet or as_json,
        markup=False,
        highlight=False,
        soft_wrap=not wrap,
        force_jupyter=False,
        width=None if wrap else LOG_WIDTH,  # rich would assume 80 columns and cut off wider tables
        force_terminal=False if notebook else None,
    )


def plain_table(title: str = "", *, space: int = 1, show_header: bool = True) -> Table:
    """Return an empty table without lines; `space` is the number of spaces on each side of a cell."""
    return Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, space),
        show_header=show_header,
    )


@contextmanager
def reading_bar(console: Console, label: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function `advance(done, total)` that shows a progress bar from its first call to the end of the block.

    Without a terminal there is no bar, because it would leave empty lines in a log.
    """
    progress = Progress(console=console, transient=True, disable=not console.is_terminal)
    task = progress.add_task(label, total=None)

    def advance(done: int, total: int) -> None:
        progress.start()
        progress.update(task, completed=done, total=total)

    try:
        yield advance
    finally:
        if progress.live.is_started:
            progress.stop()
