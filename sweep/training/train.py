"""Training one trial, from top to bottom."""

from __future__ import annotations

import time
from pathlib import Path

import keras
import numpy as np

from sweep.data.dataset import Dataset
from sweep.errors import TrialFailure
from sweep.models.build import build, compile_model, deployable
from sweep.models.model_digest import model_digest
from sweep.models.model_size import count_parameters
from sweep.records.atomic_writing import atomic_write
from sweep.records.checkpoint import identity
from sweep.records.seeds import Purpose, derive
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
from sweep.space.user_model_configs import HypermodelConfig
from sweep.training.batches import training_batches
from sweep.training.callbacks import EpochStart, PlainValidationLoss, Reporter, StateRestorer, restarts, schedules
from sweep.training.determinism import weights_digest
from sweep.training.hypermodel_training import train_hypermodel
from sweep.training.resume import Resumption
from sweep.training.tf_data_pipeline import training_pipeline, validation_pipeline
from sweep.training.tf_threads import use_threads

MODEL_FILE = "model.keras"


def train(config: TrialConfig, dataset: Dataset, on_epoch: OnEpoch, *, folder: Path | None = None) -> TrialResult:
    """Build, train and judge one model; go on from the folder's checkpoint where there is one.

    A checkpoint is written after each epoch, before `on_epoch` is told of it, so that what anybody knows of can be gone
    on from. A trial that goes on tells `on_epoch` the epochs of its earlier starts again, from the first, and arrives
    at the same bits as one that was never interrupted.

    Args:
        config: all that decides the result.
        dataset: training and validation images.
        on_epoch: told every finished epoch; True stops training.
        folder: of the trial. Here are its checkpoints, which the caller removes when it has the result, and here the
            model's summary is written, and the best epoch's model as `model.keras`, in a form without augmentation,
            with its predictions; of a trial stopped by `on_epoch` only the summary. None writes nothing.

    Raises:
        TrialFailure: infeasible or too_large before the first epoch; nan when a loss stops being a finite number.
    """
    if isinstance(config.model, HypermodelConfig):
        return train_hypermodel(config, dataset, dataset.facts, on_epoch, folder, save_best)
    use_threads(config.threads)
    keras.utils.set_random_seed(derive(config.seed))
    started = time.perf_counter()
    facts = dataset.facts
    model = build(config, facts, derive(config.seed, Purpose.WEIGHTS))
    batches = training_batches(dataset.train, facts.classes, config)
    compile_model(model, config, len(batches))
    made = model_digest(model, config)
    scheduled = schedules(config.training)
    reporter = Reporter(config, lambda metrics: _save_and_tell(resumption, metrics, on_epoch))
    owner = identity(config, dataset.stamp)
    resumption = Resumption(folder, owner, model, scheduled, reporter, time.perf_counter() - started)
    resumption.go_on(on_epoch)
    done = len(reporter.epochs)
    if not (reporter.stopped or resumption.ended or done == config.training.epochs):
        with resumption.fitting():
            model.fit(
                training_pipeline(batches),
                shuffle=False,  # Keras would warn that it cannot
                validation_data=validation_pipeline(dataset),
                initial_epoch=done,
                epochs=config.training.epochs,
                callbacks=[
                    StateRestorer(resumption.restore_states),
                    EpochStart(batches, config.seed),
                    keras.callbacks.TerminateOnNaN(),
                    PlainValidationLoss(),
                    *scheduled,
                    *restarts(config.training, reporter),
                    reporter,
                ],
                verbose=0,
            )
    if reporter.not_finite is not None:
        raise TrialFailure("nan", f"the loss was not a finite number in epoch {reporter.not_finite}")
    epochs = tuple(reporter.epochs)
    stop_reason = _stop_reason(reporter, config)
    final = weights_digest(model)
    kept = folder is not None and stop_reason != "stopped"
    if folder is not None:
        if kept:
            model.set_weights(reporter.best_weights)
        shown = deployable(model, config, facts)
        write_summary(shown, folder)
        if kept:
            save_best(shown, dataset, folder)
    return TrialResult(
        epochs=epochs,
        stop_reason=stop_reason,
        best_epoch=best_epoch(epochs, config.objective).epoch,
        parameters=count_parameters(model),
        weights_digest=final,
        build_seconds=resumption.build_seconds,
        fit_seconds=resumption.fit_seconds,
        images_per_second=len(dataset.train) * len(epochs) / resumption.fit_seconds,
        model_file=MODEL_FILE if kept else None,
        model_digest=made,
    )


def _save_and_tell(resumption: Resumption, metrics: EpochMetrics, on_epoch: OnEpoch) -> bool:
    resumption.save(metrics)
    return on_epoch(metrics)


def _stop_reason(reporter: Reporter, config: TrialConfig) -> StopReason:
    if reporter.stopped:
        return "stopped"
    return "epochs" if len(reporter.epochs) == config.training.epochs else "early_stopping"


def save_best(model: keras.Model, dataset: Dataset, folder: Path) -> None:
    """Write the model and its predictions for the validation images."""
    save_model(model, folder / MODEL_FILE)
    part = dataset.validation
    outputs = model.predict(validation_pipeline(dataset), verbose=0)
    with atomic_write(folder / PREDICTIONS_FILE) as file:
        np.savez(file, outputs=outputs, labels=part.labels, positions=part.index)


def write_summary(model: keras.Model, folder: Path) -> None:
    """Write the layers with their shapes and weights as text."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / SUMMARY_FILE).open("w", encoding="utf-8") as stream:
        model.summary(print_fn=lambda line, **_: stream.write(line + "\n"))


def save_model(model: keras.Model, path: Path) -> None:
    """Write a .keras file so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part:
        model.save(part)
