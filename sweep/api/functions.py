"""`sweep.run` and `sweep.reproduce`: the commands as functions, for scripts and notebooks. Light to import."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sweep.commands.run import RunRequest, run_sweep

if TYPE_CHECKING:
    from sweep.api.study import Study
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
    """Train a trial again from its record, in a separate process, and compare the result with the record.

    Args:
        trial: a trial in any state; a pruned trial is trained for as many epochs as its record has.
        tolerance: largest difference of a metric that still counts as the same result.
        folder: folder for the new model, its predictions and the log, created if needed. None keeps no files.
        quiet: print nothing.

    Returns:
        The comparison: `verdict` is `EXACT`, `WITHIN x` or `DIVERGED at epoch n`, `holds` is False if it diverged, and
        `model_file` is the new model.

    Raises:
        DataError: the images are not available or have changed.
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
    """Search a space: sample, train, prune, record. The same call resumes a sweep that was stopped.

    Each trial runs in its own process, which does not import the calling script: no `if __name__ == "__main__":` is
    needed. Ctrl-C, or a notebook's stop button, stops cleanly, but only if `run` is called in the main thread.

    Args:
        space: file of a search space or a recipe (YAML).
        data: `digits`, `cifar10`, …, a folder of class folders, an .npz file. By default the data of the space.
        trials: total number of trials, including earlier runs. By default the space's number, else 50 (1 for a recipe).
        limit: use only this many training images, stratified.
        epochs: maximum epochs per trial.
        objective: the metric that ranks trials.
        settings: overrides of any values of the file: `{"training.batch_size": 64}`.
        study: name of the study. By default the name in the file.
        fork: start a new study of this name with the trials of `study` that are still valid.
        workers: number of parallel trials. By default one per GPU, else one per core.
        threads: threads per trial; results depend slightly on this number.
        memory_limit: stop a trial that uses more resident memory than this: `4G`, `512M`.
        home: folder that holds `studies/`, `mlflow/` and `cache/`.
        tracking_uri: MLflow store. By default `MLFLOW_TRACKING_URI`, else `mlflow/mlflow.db` in `home`.
        quiet: print nothing.

    Returns:
        The study with all its trials.

    Raises:
        UserError: an error that the caller can fix: SpaceError with all faults of the file, DataError, StudyError.
        NothingFinished: no trial is complete.
        SweepStopped: the same bug occurred three times in a row.
        KeyboardInterrupt: after a clean stop.
    """
    from sweep.commands.overrides import overrides_from_arguments

    changes = overrides_from_arguments(
        settings or {}, data=data, limit=limit, epochs=epochs, objective=objective, memory_limit=memory_limit
    )
    request = RunRequest(
        space=Path(space),
        changes=changes,
        trials=trials,
        study=study,
        fork=fork,
        workers=workers,
        threads=threads,
        home=Path(home).absolute(),  # a notebook may change its working directory later
        tracking_uri=tracking_uri,
        quiet=quiet,
        again="the same call of sweep.run",
        words="python",
    )
    name = run_sweep(request)
    from sweep.api.study import Study

    return Study(name, home=request.home)
