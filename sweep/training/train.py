"""Training one trial, from top to bottom."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from sweep.data.dataset import Dataset
from sweep.errors import TrialFailure
from sweep.models.model_size import count_parameters
from sweep.models.user_code import user_frames
from sweep.records.atomic_writing import atomic_write
from sweep.records.checkpoint import identity
from sweep.records.trial_result import (
    PREDICTIONS_FILE,
    SUMMARY_FILE,
    EpochMetrics,
    OnEpoch,
    StopReason,
    TrialResult,
    best_epoch,
)
from sweep.space.config import TrialConfig
from sweep.training.callbacks import Reporter, StateRestorer
from sweep.training.resume import Resumption
from sweep.training.tf_batches import validation_pipeline
from sweep.training.tf_determinism import use_threads, weights_digest
from sweep.training.trainable import Trainable, make_trainable

MODEL_FILE = "model.keras"


def train(
    config: TrialConfig,
    dataset: Dataset,
    on_epoch: OnEpoch,
    *,
    folder: Path | None = None,
    before_write: Callable[[], None] = lambda: None,
) -> TrialResult:
    """Build, train and evaluate one model, resuming from a checkpoint in the folder if there is one.

    A checkpoint is written after each epoch, before `on_epoch` is called, so that training can resume after every
    reported epoch. A resumed trial reports the epochs of its earlier starts to `on_epoch` again, from the first, and
    its weights have the same bits as without the interruption. Hypermodels have no checkpoints and start from scratch.

    Args:
        config: everything that decides the result.
        dataset: training and validation images.
        on_epoch: receives every finished epoch and returns True to stop training.
        folder: the trial's folder, which must exist; if None, nothing is written. The function reads and writes
            checkpoints there; the caller removes them afterwards. It also writes the model's summary and, unless
            `on_epoch` stopped the trial, the best epoch's model (`model.keras`, without augmentation) and its
            predictions.
        before_write: called before each write to the folder; it does not return if the folder was replaced.

    Raises:
        TrialFailure: infeasible or too_large before the first epoch; nan when a loss is not a finite number.
        ModelError: a user's model cannot be built.
    """
    use_threads(config.threads)
    started = time.perf_counter()
    trainable = make_trainable(config, dataset.facts)
    trainable.build(dataset)
    model = trainable.model

    def save_and_report(metrics: EpochMetrics) -> bool:
        before_write()
        resumption.save(metrics)
        return on_epoch(metrics)

    reporter = trainable.reporter(save_and_report)
    resumption = Resumption(
        folder if trainable.resumable else None,
        identity(config, dataset.stamp),
        model,
        trainable.schedules,
        reporter,
        time.perf_counter() - started,
    )
    resumption.resume(on_epoch)
    if not (reporter.stopped or resumption.ended or len(reporter.epochs) == config.training.epochs):
        with resumption.fitting():
            trainable.fit(reporter, [StateRestorer(resumption.restore_states)])
    check_finite(reporter)
    epochs = tuple(reporter.epochs)
    stop_reason = _stop_reason(trainable, reporter, resumption, config)
    # The digest is computed here, because `_save` replaces the last epoch's weights by those of the best epoch.
    final_digest = weights_digest(model)
    return TrialResult(
        epochs=epochs,
        stop_reason=stop_reason,
        best_epoch=best_epoch(epochs, config.objective).epoch,
        parameters=count_parameters(model),
        weights_digest=final_digest,
        build_seconds=resumption.build_seconds,
        fit_seconds=resumption.fit_seconds,
        images_per_second=len(dataset.train) * len(epochs) / resumption.fit_seconds,
        model_file=None if folder is None else _save(trainable, reporter, dataset, folder, before_write),
        model_digest=trainable.digest(),
        notes=trainable.notes(),
    )


def check_finite(reporter: Reporter) -> None:
    """Raise TrialFailure (nan) if training ended with a loss that is not a finite number."""
    if reporter.not_finite is not None:
        raise TrialFailure("nan", f"the loss was not a finite number in epoch {reporter.not_finite}")


def _stop_reason(trainable: Trainable, reporter: Reporter, resumption: Resumption, config: TrialConfig) -> StopReason:
    """Return why training ended. Few epochs do not prove early stopping: a user's `fit` may choose their number."""
    if reporter.stopped:
        return "stopped"
    early = resumption.ended or any(getattr(callback, "stopped_epoch", 0) for callback in trainable.schedules)
    return "early_stopping" if early and len(reporter.epochs) != config.training.epochs else "epochs"


def _save(
    trainable: Trainable, reporter: Reporter, dataset: Dataset, folder: Path, before_write: Callable[[], None]
) -> str | None:
    """Write the summary and, unless the trial was stopped, the best epoch's model; return its file name or None."""
    if not reporter.stopped:
        trainable.model.set_weights(reporter.best_weights)
    try:
        deployed = trainable.deploy()
        before_write()
        _write_summary(deployed, folder)
        if reporter.stopped:
            return None
        before_write()
        save_model(deployed, folder / MODEL_FILE)
        outputs = deployed.predict(validation_pipeline(dataset), verbose=0)
        before_write()
        _write_predictions(outputs, dataset, folder)
    except Exception as error:
        if trainable.must_save:
            raise
        print(f"the model could not be saved:\n{user_frames(error)}\n{traceback.format_exc()}", flush=True)
        return None
    return MODEL_FILE


def _write_predictions(outputs: npt.NDArray[np.float32], dataset: Dataset, folder: Path) -> None:
    part = dataset.validation
    with atomic_write(folder / PREDICTIONS_FILE) as file:
        np.savez(file, outputs=outputs, labels=part.labels, positions=part.index)


def _write_summary(model: keras.Model, folder: Path) -> None:
    """Write the layers with their shapes and numbers of weights as text."""
    with (folder / SUMMARY_FILE).open("w", encoding="utf-8") as stream:
        model.summary(print_fn=lambda line, **_: stream.write(line + "\n"))


def save_model(model: keras.Model, path: Path) -> None:
    """Write a .keras file atomically, so that no reader finds a partly written file."""
    with atomic_write(path) as part:
        model.save(part)
