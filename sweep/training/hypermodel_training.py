"""Training one trial of a hypermodel: KerasTuner's build and fit under our callbacks."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np

from sweep.data.dataset import Dataset, Part
from sweep.errors import ModelError, TrialFailure
from sweep.models.build import compile_model, deployable
from sweep.models.hypermodel_discovery import ProbeFinished
from sweep.models.hypermodels import build_from, has_user_fit, label_kind, make_hypermodel, run_user_fit
from sweep.models.hyperparameters import ChosenHyperParameters
from sweep.models.model_digest import extended, model_digest
from sweep.models.model_size import check_parameters, count_parameters
from sweep.models.user_code import is_compiled, user_frames
from sweep.records.image_facts import ImageFacts
from sweep.records.seeds import derive
from sweep.records.trial_result import OnEpoch, StopReason, TrialResult, best_epoch
from sweep.space.config import TrialConfig
from sweep.space.model_sections import HypermodelConfig
from sweep.training.batches import one_hot
from sweep.training.callbacks import EpochStart, PlainValidationLoss, schedules
from sweep.training.determinism import digest, epoch_order, is_generator_state
from sweep.training.hypermodel_fit import (
    CompleteLogs,
    FirstEpoch,
    LogFiller,
    Pixels,
    ScaledBatches,
    UserFitReporter,
    labels_of,
)
from sweep.training.tf_data_pipeline import VALIDATION_BATCH, training_pipeline, validation_pipeline_of_arrays
from sweep.training.tf_threads import use_threads

Save = Callable[[keras.Model, Dataset, Path], None]


def train_hypermodel(
    config: TrialConfig, dataset: Dataset, facts: ImageFacts, on_epoch: OnEpoch, folder: Path | None, save: Save
) -> TrialResult:
    """As `train`, with the hypermodel's own `fit` where it has one.

    The model is fed with float32 pixels, scaled as the section says. A trial that is run again begins anew.

    Raises:
        ModelError: the hypermodel cannot be built.
        TrialFailure: infeasible where a chosen value is not asked for before the first epoch; too_large; nan.
    """
    use_threads(config.threads)
    started = time.perf_counter()
    trial = HypermodelTrial(config, dataset, facts, on_epoch)
    built = time.perf_counter()
    trial.fit()
    fitted = time.perf_counter()
    reporter = trial.reporter
    if reporter.not_finite is not None:
        raise TrialFailure("nan", f"the loss was not a finite number in epoch {reporter.not_finite}")
    epochs = tuple(reporter.epochs)
    final = trial.weights_digest
    model_file = None
    if folder is not None and not reporter.stopped:
        trial.model.set_weights(reporter.best_weights)
        model_file = _save(trial.model, config, facts, dataset, folder, save)
    return TrialResult(
        epochs=epochs,
        stop_reason=trial.stop_reason,
        best_epoch=best_epoch(epochs, config.objective).epoch,
        parameters=count_parameters(trial.model),
        weights_digest=final,
        build_seconds=built - started,
        fit_seconds=fitted - built,
        images_per_second=len(dataset.train) * len(epochs) / (fitted - built),
        model_file=model_file,
        model_digest=trial.digest,
        notes=trial.notes,
    )


class HypermodelTrial:
    """A hypermodel's model, built, and what its training needs.

    Args:
        config: of the trial.
        dataset: training and validation images.
        facts: of the images.
        on_epoch: told every finished epoch; True stops training.
        more: further callbacks.
    """

    def __init__(
        self,
        config: TrialConfig,
        dataset: Dataset,
        facts: ImageFacts,
        on_epoch: OnEpoch,
        more: Sequence[keras.callbacks.Callback] = (),
    ) -> None:
        section = config.model
        if not isinstance(section, HypermodelConfig):
            raise TypeError(f"{section.builder} is no hypermodel")
        self._config, self._dataset, self._facts, self._section = config, dataset, facts, section
        self._hypermodel: keras_tuner.HyperModel = make_hypermodel(section, facts)
        # After the import of the user's module, which may have drawn random numbers.
        keras.utils.set_random_seed(derive(config.seed))
        self._chosen = ChosenHyperParameters(section.hyperparameters)
        self._hypermodel.declare_hyperparameters(self._chosen)
        self.model = build_from(self._hypermodel, self._chosen, section, facts)
        self._user_fit = has_user_fit(self._hypermodel)
        if not self._user_fit:
            compile_model(self.model, config)
        self._in_build = dict(self._chosen.read)
        self._built = model_digest(self.model, config)
        self._first = FirstEpoch(self._chosen)
        self._schedules = schedules(config.training) if is_compiled(self.model) else []
        self._integer = label_kind(self.model, section) == "integer"
        self._pixels = Pixels(section.pixel_scaling, facts)
        self._validation = self._arrays(dataset.validation)
        logits = section.output == "logits"
        complete = CompleteLogs(self.model, self._train, lambda: self._validation, logits=logits)
        self.reporter = UserFitReporter(config, on_epoch, complete, self._learning_rate)
        self._callbacks = [
            LogFiller(complete),
            PlainValidationLoss(),
            self._first,
            *more,
            keras.callbacks.TerminateOnNaN(),
            *self._schedules,
            self.reporter,
        ]

    def _train(self) -> tuple[Any, Any]:
        """Shuffled once: a loop of the user's own need not."""
        images, labels = self._arrays(self._dataset.train)
        order = epoch_order(len(labels), self._config.seed, 0)
        return images[order], labels[order]

    def _arrays(self, part: Part) -> tuple[Any, Any]:
        return self._pixels.whole(part), labels_of(one_hot(part.labels, self._facts.classes), self._integer)

    def _learning_rate(self) -> float:
        """Of the model's optimizer; a loop with an optimizer of its own has it among the hyperparameters, or 0."""
        if is_compiled(self.model):
            return float(np.asarray(self.model.optimizer.learning_rate))
        rate = self._chosen.read.get("learning_rate", self._chosen.read.get("lr", 0.0))
        return float(rate) if isinstance(rate, int | float) else 0.0

    def fit(self) -> None:
        """Train to the end, or until told to stop."""
        training = self._config.training
        keywords = {"epochs": training.epochs, "verbose": 0}
        with contextlib.suppress(ProbeFinished):
            if self._user_fit:
                self._run_user_fit(keywords)
            else:
                self._fit_usual(keywords)

    def _fit_usual(self, keywords: dict[str, Any]) -> None:
        self._first.check()
        batches = ScaledBatches(self._dataset.train, self._facts.classes, self._config, self._pixels, self._integer)
        callbacks = [EpochStart(batches, self._config.seed), *self._callbacks]
        self._hypermodel.fit(
            self._chosen,
            self.model,
            training_pipeline(batches),
            shuffle=False,  # Keras would warn that it cannot
            validation_data=validation_pipeline_of_arrays(*self._validation),
            callbacks=callbacks,
            **keywords,
        )

    def _run_user_fit(self, keywords: dict[str, Any]) -> None:
        for callback in self._callbacks:
            callback.set_model(self.model)
        data = (*self._train(), self._validation)
        sizes = {"batch_size": self._config.training.batch_size, "validation_batch_size": VALIDATION_BATCH}
        run_user_fit(
            self._hypermodel, self._chosen, self.model, data, {**keywords, **sizes, "callbacks": self._callbacks}
        )
        if not self.reporter.epochs and self.reporter.not_finite is None:
            raise ModelError(
                f"the `fit` of {self._section.hypermodel} told of no epoch: pass its argument `callbacks` on to "
                "model.fit, or call on_epoch_end(epoch, logs) of each in your own loop"
            )
        check_parameters(self.model, self._section.max_parameters)

    @property
    def stop_reason(self) -> StopReason:
        """A `fit` of the user's has its own number of epochs."""
        if self.reporter.stopped:
            return "stopped"
        early = any(getattr(callback, "stopped_epoch", 0) for callback in self._schedules)
        return "early_stopping" if early else "epochs"

    @property
    def weights_digest(self) -> str:
        """As `determinism.weights_digest`, for models without an optimizer too."""
        optimizer = getattr(self.model, "optimizer", None)
        own = [variable for variable in self.model.variables if not is_generator_state(variable)]
        return digest(np.asarray(variable) for variable in [*own, *(optimizer.variables if optimizer else [])])

    @property
    def digest(self) -> str | None:
        """See `model_digest`; the values that were read after the build have their effect elsewhere."""
        later = {name: value for name, value in self._chosen.read.items() if name not in self._in_build}
        return extended(self._built, later)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the record should know."""
        unknown = self._chosen.unknown
        if not unknown:
            return ()
        told = ", ".join(f"{name}={value}" for name, value in unknown.items())
        return (f"hyperparameters outside the space had their defaults: {told}",)


def _save(
    model: keras.Model, config: TrialConfig, facts: ImageFacts, dataset: Dataset, folder: Path, save: Save
) -> str | None:
    """Write the model; one that Keras cannot write is no failure of the trial, and its log says why."""
    try:
        save(deployable(model, config, facts), dataset, folder)
    except Exception as error:
        print(f"the model could not be saved:\n{user_frames(error)}\n{traceback.format_exc()}", flush=True)
        return None
    return "model.keras"
