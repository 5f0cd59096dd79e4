"""Running a sweep: from a script, a notebook, or the command line. Light to import; a typo waits for nothing."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sweep.errors import UserError

if TYPE_CHECKING:
    from sweep.api.study import Study
    from sweep.space.reader import Override

DEFAULT_TRIALS = 50


@dataclass(frozen=True)
class Options:
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


def run(
    space: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | None = None,
    trials: int | None = None,
    limit: int | None = None,
    epochs: int | None = None,
    objective: Literal["val_accuracy", "val_loss"] | None = None,
    settings: Mapping[str, Any] | None = None,
    study: str | None = None,
    fork: str | None = None,
    workers: int | None = None,
    threads: int = 1,
    memory_limit: str | None = None,
    home: str | os.PathLike[str] = ".",
    tracking_uri: str | None = None,
    quiet: bool = False,
) -> Study:
    """Search a space: sample, train, prune, record. The same call again goes on where it stopped.

    Each trial is a process of its own, which does not import the calling script: no `if __name__ == "__main__":` is
    needed. Ctrl-C, or a notebook's stop button, stops cleanly; outside the main thread signals are left alone.

    Args:
        space: file of a search space or a recipe (YAML).
        data: `digits`, `cifar10`, …, a folder of class folders, an .npz file; the space's by default.
        trials: that the study is to have in all, those of earlier runs included; by default the space's, else 50
            (1 for a recipe).
        limit: use so many images of the training part, stratified.
        epochs: the most that a trial trains.
        objective: what trials are ranked by.
        settings: other values of the file, said otherwise: `{"training.batch_size": 64}`.
        study: its name; the file's name for it by default.
        fork: begin a study of this name with the trials of `study` that still fit.
        workers: trials at a time; one per GPU, else one per core by default.
        threads: of each trial; another count gives other bits.
        memory_limit: end a trial whose resident memory grows beyond it: `4G`, `512M`.
        home: folder that holds `studies/`, `mlflow/` and `cache/`.
        tracking_uri: MLflow store; `MLFLOW_TRACKING_URI`, else `mlflow/mlflow.db` below `home` by default.
        quiet: show nothing.

    Returns:
        The study, with all its trials.

    Raises:
        UserError: something that the caller can mend: SpaceError with all faults of the file, DataError, StudyError.
        NothingFinished: no trial reached its end.
        SweepStopped: the same bug three times in a row.
        KeyboardInterrupt: after a clean stop.
    """
    changes = {"data": ("data.name", data), "limit": ("data.limit", limit), "epochs": ("training.epochs", epochs)}
    changes |= {"objective": ("search.objective", objective), "memory_limit": ("search.memory_limit", memory_limit)}
    options = Options(
        trials=trials,
        study=study,
        fork=fork,
        workers=workers,
        threads=threads,
        home=Path(home).absolute(),  # a notebook may change its folder while it holds the study
        tracking_uri=tracking_uri,
        quiet=quiet,
        again="the same call of sweep.run",
        words="python",
    )
    return search(Path(space), _overrides(settings or {}, changes), options)


def search(path: Path, changes: Sequence[Override], options: Options) -> Study:
    """What `run` and the command have in common.

    Args:
        path: of the space's file.
        changes: of its values, in order.
        options: all else.

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

        from sweep.api.study import Study
        from sweep.commands.sweep_session import Request, run_session

        request = Request(space=space, **given | {"trials": trials, "study": options.study or space.study})
        if run_session(request, stop) == INTERRUPTED:
            raise KeyboardInterrupt(f"stopped; {options.again} goes on")
    return Study(request.fork or request.study, home=request.home)


def _check(options: Options) -> None:
    """Say what the command line says by itself.

    Raises:
        UserError: a number is less than 1.
    """
    for name in ("trials", "workers", "threads"):
        value = getattr(options, name)
        if value is not None and (not isinstance(value, int) or value < 1):
            raise UserError(f"{name}: expected a whole number from 1, not {value!r}")


def _overrides(settings: Mapping[str, Any], changes: Mapping[str, tuple[str, Any]]) -> list[Override]:
    """All changes in order, `settings` first, so that the plain arguments win."""
    from sweep.space.reader import Override

    found = [Override(key, _yaml(key, value), f"settings[{key!r}]") for key, value in settings.items()]
    given = {name: (key, value) for name, (key, value) in changes.items() if value is not None}
    return found + [Override(key, _yaml(name, value), f"{name}={value!r}") for name, (key, value) in given.items()]


def _yaml(name: str, value: Any) -> str:
    """A value as YAML, of which JSON is a part.

    Raises:
        UserError: YAML has nothing of this kind.
    """
    try:
        return json.dumps(value, default=_plain)
    except TypeError:
        kind = type(value).__name__
        raise UserError(f"{name}: expected a number, text, list or mapping, not {value!r} ({kind})") from None


def _plain(value: Any) -> Any:
    """What JSON does not know by itself: paths and NumPy's numbers."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "item"):
        return value.item()
    raise TypeError
