"""`sweep.run` and `sweep.reproduce`: what their commands do, for scripts and notebooks. Light to import."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sweep.commands.run import RunOptions, run_sweep
from sweep.errors import UserError

if TYPE_CHECKING:
    from sweep.api.study import Study
    from sweep.api.trials import Trial
    from sweep.commands.reproduce import Reproduction
    from sweep.space.reader import Override

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
    options = RunOptions(
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
    name = run_sweep(Path(space), _overrides(settings or {}, changes), options)
    from sweep.api.study import Study

    return Study(name, home=options.home)


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
