"""One interface to build, train and deploy the model of a configuration: a builder's or a KerasTuner hypermodel's."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from typing_extensions import override

from sweep.data.dataset import Dataset
from sweep.errors import ModelError, TrialFailure
from sweep.models.build import build, compile_model, deployable, untrained
from sweep.models.hypermodel_discovery import OPTIMIZER_KEYS, PLATEAU, FitEnded, discover
from sweep.models.hypermodels import (
    build_from,
    build_hypermodel,
    deployable_hypermodel,
    has_user_fit,
    label_kind,
    make_hypermodel,
    run_user_fit,
)
from sweep.models.hyperparameters import ChosenHyperParameters
from sweep.models.model_digest import extended, model_digest
from sweep.models.model_size import check_parameters
from sweep.models.user_builder import user_compiled
from sweep.models.user_model_checks import check_outputs_for_noise, has_schedule, is_compiled
from sweep.records.image_facts import ImageFacts
from sweep.records.seeds import Purpose, derive
from sweep.records.trial_result import OnEpoch
from sweep.space.config import TrialConfig
from sweep.space.hypermodel_space import Discovery
from sweep.space.model_sections import HypermodelConfig
from sweep.space.parameters import Parameter
from sweep.training.callbacks import EpochStart, PlainValidationLoss, Reporter, RestartFromBest, schedules
from sweep.training.hypermodel_fit import HypermodelReporter, InputConverter, LogCompleter, ScaledBatches, UnreadValues
from sweep.training.tf_batches import (
    VALIDATION_BATCH,
    training_batches,
    training_pipeline,
    validation_pipeline,
    validation_pipeline_of_arrays,
)
from sweep.training.tf_determinism import epoch_order


class Trainable(ABC):
    """The model of one configuration.

    Attributes:
        model: the model, made by `build`; call `build` before `reporter`, `fit`, `deploy` and `digest`.
        schedules: ReduceLROnPlateau and EarlyStopping, if the configuration has them and they apply to the model.
        resumable: True if an interrupted trial resumes from a checkpoint; otherwise it starts from scratch.
        must_save: True if the trial fails when Keras cannot write its model.
    """

    model: keras.Model
    schedules: list[keras.callbacks.Callback]
    resumable: bool
    must_save: bool

    @abstractmethod
    def untrained(self) -> keras.Model:
        """Return a new model without pre-trained weights, to measure its size and speed.

        Raises:
            TrialFailure: infeasible or too_large.
            ModelError: a user's model cannot be built.
        """

    @abstractmethod
    def discover(self, written: Mapping[str, Parameter]) -> Discovery:
        """Return what a user's model determines about its space.

        Args:
            written: the hyperparameters in the space file.

        Raises:
            ModelError: the model cannot be built, or its outputs contradict the space file.
        """

    @abstractmethod
    def build(self, dataset: Dataset) -> None:
        """Seed the random generators, then build and compile `model` to train on this data set.

        Raises:
            TrialFailure: infeasible or too_large.
            WeightsError: pre-trained weights are not available.
            ModelError: a user's model cannot be built.
        """

    @abstractmethod
    def reporter(self, on_epoch: OnEpoch) -> Reporter:
        """Return the callback that reports each epoch of `fit`."""

    @abstractmethod
    def fit(self, reporter: Reporter, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Train until the last epoch, early stopping, a loss that is not finite, or a request to stop.

        Args:
            reporter: the result of `reporter`; training starts after the epochs that it already has.
            callbacks: further callbacks, which run before the reporter.

        Raises:
            TrialFailure: infeasible, if a hyperparameter was not read before the first epoch; too_large.
            ModelError: a user's `fit` reported no epoch.
        """

    @abstractmethod
    def deploy(self) -> keras.Model:
        """Return the trained model without augmentation: from raw pixels 0..255 to its outputs."""

    @abstractmethod
    def digest(self) -> str | None:
        """Return the `model_digest`. Call it after `fit`, which may read further hyperparameters."""

    def notes(self) -> tuple[str, ...]:
        """Return remarks for a reader of the trial record."""
        return ()


def make_trainable(config: TrialConfig, facts: ImageFacts) -> Trainable:
    """Return the trainable of a configuration. Nothing is built yet."""
    if isinstance(config.model, HypermodelConfig):
        return _HypermodelTrainable(config, config.model, facts)
    return _BuilderTrainable(config, facts)


class _BuilderTrainable(Trainable):
    """A model made by a builder, sweep's or the user's."""

    resumable = must_save = True

    def __init__(self, config: TrialConfig, facts: ImageFacts) -> None:
        self._config = config
        self._facts = facts
        self.schedules = schedules(config.training)

    @override
    def untrained(self) -> keras.Model:
        return build(untrained(self._config), self._facts, seed=0)

    @override
    def discover(self, written: Mapping[str, Parameter]) -> Discovery:
        section = self._config.model
        try:
            model = build(self._config, self._facts, seed=0)
        except TrialFailure:  # other points may be valid, so this point decides nothing
            return Discovery()
        check_outputs_for_noise(model, self._facts.shape, section.output, section.builder)
        network = user_compiled(model)
        if network is None:
            return Discovery()
        unused = dict.fromkeys(OPTIMIZER_KEYS, f"{section.builder} compiles its model itself")
        if has_schedule(network):
            unused[PLATEAU] = f"the optimizer of {section.builder} has its own schedule"
        return Discovery(unused=unused)

    @override
    def build(self, dataset: Dataset) -> None:
        config = self._config
        keras.utils.set_random_seed(derive(config.seed))
        self.model = build(config, self._facts, derive(config.seed, Purpose.WEIGHTS))
        self._dataset = dataset
        self._batches = training_batches(dataset.train, self._facts.classes, config)
        compile_model(self.model, config, len(self._batches))
        self._digest = model_digest(self.model, config)

    @override
    def reporter(self, on_epoch: OnEpoch) -> Reporter:
        return Reporter(self._config, on_epoch)

    @override
    def fit(self, reporter: Reporter, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        training = self._config.training
        self.model.fit(
            training_pipeline(self._batches),
            shuffle=False,  # Keras would warn that it cannot shuffle a pipeline
            validation_data=validation_pipeline(self._dataset) if len(self._dataset.validation) else None,
            initial_epoch=len(reporter.epochs),
            epochs=training.epochs,
            callbacks=[
                *callbacks,
                EpochStart(self._batches, self._config.seed),
                keras.callbacks.TerminateOnNaN(),
                PlainValidationLoss(),
                *self.schedules,
                RestartFromBest(training.restart_every, reporter),
                reporter,
            ],
            verbose=0,
        )

    @override
    def deploy(self) -> keras.Model:
        return deployable(self.model, self._config, self._facts)

    @override
    def digest(self) -> str | None:
        return self._digest


class _HypermodelTrainable(Trainable):
    """A hypermodel's model, which receives float32 pixels, scaled as the section `model` says."""

    resumable = must_save = False

    def __init__(self, config: TrialConfig, section: HypermodelConfig, facts: ImageFacts) -> None:
        self._config = config
        self._section = section
        self._facts = facts

    @override
    def untrained(self) -> keras.Model:
        return build_hypermodel(self._section, self._facts)

    @override
    def discover(self, written: Mapping[str, Parameter]) -> Discovery:
        return discover(self._section, self._facts, written)

    @override
    def build(self, dataset: Dataset) -> None:
        config, section = self._config, self._section
        self._dataset = dataset
        self._hypermodel = make_hypermodel(section, self._facts)
        # Seed after the import of the user's module, because the import may draw random numbers.
        keras.utils.set_random_seed(derive(config.seed))
        self._chosen = ChosenHyperParameters(section.hyperparameters)
        self.model = build_from(self._hypermodel, self._chosen, section, self._facts)
        if not has_user_fit(self._hypermodel):
            compile_model(self.model, config)
        self._read_by_build = dict(self._chosen.read)
        self._digest_of_build = model_digest(self.model, config)
        self.schedules = schedules(config.training) if is_compiled(self.model) else []
        integers = label_kind(self.model, section) == "integer"
        self._convert = InputConverter(section.pixel_scaling, self._facts, integers)
        self._validation = self._convert.part(dataset.validation)
        self._completer = LogCompleter(
            self.model, self._train_arrays, lambda: self._validation, logits=section.output == "logits"
        )

    def _train_arrays(self) -> tuple[Any, Any]:
        """Return the training images and labels, shuffled once, because a user's own loop may not shuffle."""
        images, labels = self._convert.part(self._dataset.train)
        order = epoch_order(len(labels), self._config.seed, 0)
        return images[order], labels[order]

    @override
    def reporter(self, on_epoch: OnEpoch) -> Reporter:
        return HypermodelReporter(self._config, on_epoch, self._completer, self._learning_rate)

    def _learning_rate(self) -> float:
        """Return the optimizer's rate if the model is compiled, else the value of `learning_rate` or `lr`, else 0."""
        if is_compiled(self.model):
            return float(np.asarray(self.model.optimizer.learning_rate))
        rate = self._chosen.read.get("learning_rate", self._chosen.read.get("lr", 0.0))
        return float(rate) if isinstance(rate, int | float) else 0.0

    @override
    def fit(self, reporter: Reporter, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        all_callbacks = [
            self._completer,
            PlainValidationLoss(),
            UnreadValues(self._chosen),
            *callbacks,
            keras.callbacks.TerminateOnNaN(),
            *self.schedules,
            reporter,
        ]
        keywords = {"epochs": self._config.training.epochs, "verbose": 0}
        with contextlib.suppress(FitEnded):
            if has_user_fit(self._hypermodel):
                self._run_user_fit(all_callbacks, keywords)
                if not reporter.epochs and reporter.not_finite is None:
                    raise ModelError(
                        f"the `fit` of {self._section.hypermodel} reported no epoch: pass its argument `callbacks` on "
                        "to model.fit, or call on_epoch_end(epoch, logs) of each callback in your own loop"
                    )
                check_parameters(self.model, self._section.max_parameters)
            else:
                self._run_usual_fit(all_callbacks, keywords)

    def _run_user_fit(self, callbacks: list[keras.callbacks.Callback], keywords: Mapping[str, Any]) -> None:
        for callback in callbacks:
            callback.set_model(self.model)
        data = (*self._train_arrays(), self._validation)
        sizes = {"batch_size": self._config.training.batch_size, "validation_batch_size": VALIDATION_BATCH}
        run_user_fit(self._hypermodel, self._chosen, self.model, data, {**keywords, **sizes, "callbacks": callbacks})

    def _run_usual_fit(self, callbacks: list[keras.callbacks.Callback], keywords: Mapping[str, Any]) -> None:
        batches = ScaledBatches(self._dataset.train, self._facts.classes, self._config, self._convert)
        self._hypermodel.fit(
            self._chosen,
            self.model,
            training_pipeline(batches),
            shuffle=False,  # Keras would warn that it cannot shuffle a pipeline
            validation_data=validation_pipeline_of_arrays(*self._validation),
            callbacks=[EpochStart(batches, self._config.seed), *callbacks],
            **keywords,
        )

    @override
    def deploy(self) -> keras.Model:
        return deployable_hypermodel(self.model, self._section, self._facts)

    @override
    def digest(self) -> str | None:
        later = {name: value for name, value in self._chosen.read.items() if name not in self._read_by_build}
        return extended(self._digest_of_build, later)

    @override
    def notes(self) -> tuple[str, ...]:
        if not self._chosen.unknown:
            return ()
        defaults = ", ".join(f"{name}={value}" for name, value in self._chosen.unknown.items())
        return (f"hyperparameters outside the space had their defaults: {defaults}",)
