"""Running a trial again, and holding it against its record. Light to import."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sweep.api.trials import Trial
    from sweep.commands.reproduce import Reproduction

TOLERANCE = 0.01


def reproduce(
    trial: Trial,
    *,
    tolerance: float = TOLERANCE,
    folder: str | os.PathLike[str] | None = None,
    quiet: bool = False,
) -> Reproduction:
    """Train a trial again from its record alone, in a process of its own.

    Args:
        trial: of any state: a pruned one is trained as far as it came.
        tolerance: largest difference of a metric that still counts as the same result.
        folder: where to keep the model, its log and its predictions; it is made if it is not there. None keeps nothing.
        quiet: print nothing.

    Returns:
        The comparison: `verdict` is `EXACT`, `WITHIN x` or `DIVERGED at epoch n`, `holds` whether it is none of the
        last kind, `model_file` the model kept.

    Raises:
        DataError: the images are not to be had, or are not those of the record.
    """
    from sweep.commands.reproduce import run_again
    from sweep.records.home import Home
    from sweep.terminal.console import make_console

    kept = Path(folder) if folder is not None else None
    return run_again(trial.record, Home(trial.home), tolerance, make_console(quiet=quiet), kept)
