"""`sweep run`: what the command line and Python have in common. Light to import, so that a typo is answered at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sweep.errors import UserError

if TYPE_CHECKING:
    from sweep.space.reader import Override

DEFAULT_TRIALS = 50


@dataclass(frozen=True)
class RunOptions:
    """How a run is done; see `run`.

    Attributes:
        as_json: print the summary as JSON, and nothing else.
        again: what goes on after an interruption.
        words: whether the summary names commands or calls.
    """

    trials: int | None = None
    study: str | None = None
    fork: str | None = None
    workers: int | None = None
    threads: int = 1
    home: Path = Path()
    tracking_uri: str | None = None
    quiet: bool = False
    as_json: bool = False
    again: str = ""
    words: Literal["shell", "python"] = "shell"


def run_sweep(path: Path, changes: Sequence[Override], options: RunOptions) -> str:
    """What `run` and the command have in common.

    Args:
        path: of the space's file.
        changes: of its values, in order.
        options: all else.

    Returns:
        The name of the study that was run.

    Raises:
        UserError, NothingFinished, SweepStopped, KeyboardInterrupt: as `run`.
    """
    _check(options)
    from sweep.space.reader import read_space

    space = read_space(path, changes)  # first of all, because a typo should not wait for TensorFlow

    from sweep.commands.stop_signals import INTERRUPTED, stop_requests

    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    trials = options.trials or space.search.trials or (1 if space.is_recipe else DEFAULT_TRIALS)
    with stop_requests(ours=options.words == "shell") as stop:
        from sweep.execution.fork_server_executor import warm_up

        warm_up()  # TensorFlow is imported over there while this process imports the rest

        from sweep.commands.sweep_session import SweepRequest, run_session

        request = SweepRequest(space=space, **given | {"trials": trials, "study": options.study or space.study})
        if run_session(request, stop) == INTERRUPTED:
            raise KeyboardInterrupt(f"stopped; {options.again} goes on")
    return request.fork or request.study


def _check(options: RunOptions) -> None:
    """Say what the command line says by itself.

    Raises:
        UserError: a number is less than 1.
    """
    for name in ("trials", "workers", "threads"):
        value = getattr(options, name)
        if value is not None and (not isinstance(value, int) or value < 1):
            raise UserError(f"{name}: expected a whole number from 1, not {value!r}")
