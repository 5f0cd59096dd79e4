"""A run of a sweep, requested by `sweep run` or `sweep.run()`. Imports little, to report faults immediately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sweep.errors import UserError

if TYPE_CHECKING:
    from sweep.space.reader import Override
    from sweep.space.space import Space

DEFAULT_TRIALS = 50


@dataclass(frozen=True)
class RunRequest:
    """What the user asks for.

    Attributes:
        space: file of a search space or a recipe.
        changes: overrides of the file's values, in order.
        trials: total number of trials, including earlier runs; see `total_trials`.
        study: name of the study; by default the name in the file. With `fork`, the study whose trials are copied.
        fork: name of a new study that starts with those trials of `study` that are valid in the space.
        workers: number of trials at a time; by default one per GPU, else one per core.
        threads: number of threads of each trial.
        home: folder that holds `studies/`, `mlflow/` and `cache/`.
        tracking_uri: MLflow store.
        quiet: print errors only.
        as_json: print the summary as JSON, and nothing else.
        again: the command or call that resumes the run after an interruption.
        words: whether the summary suggests shell commands or Python calls.

    Raises:
        UserError: a number is less than 1.
    """

    space: Path
    changes: Sequence[Override] = ()
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

    def __post_init__(self) -> None:
        for name in ("trials", "workers", "threads"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise UserError(f"{name}: expected a whole number from 1, not {value!r}")


def total_trials(space: Space, requested: int | None) -> int:
    """Return the total number of trials: as requested, else the space's, else 50 (1 for a recipe)."""
    return requested or space.search.trials or (1 if space.is_recipe else DEFAULT_TRIALS)


def run_sweep(request: RunRequest) -> str:
    """Run a sweep.

    Returns:
        The name of the study.

    Raises:
        UserError: something that the user can fix.
        NothingFinished: no trial is complete.
        SweepStopped: the sweep cannot continue.
        KeyboardInterrupt: after a clean stop.
    """
    from sweep.space.reader import read_space

    space = read_space(request.space, request.changes)  # before TensorFlow is loaded, to report faults immediately

    from sweep.commands.stop_signals import INTERRUPTED, stop_requests

    with stop_requests(ours=request.words == "shell") as stop:
        from sweep.execution.fork_server_executor import warm_up

        warm_up()  # the fork server imports TensorFlow while this process imports the rest

        from sweep.commands.sweep_session import run_session

        if run_session(request, space, stop) == INTERRUPTED:
            raise KeyboardInterrupt(f"stopped; {request.again} resumes it")
    return request.fork or request.study or space.study
