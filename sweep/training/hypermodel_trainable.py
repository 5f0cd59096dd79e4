"""KerasTuner hypermodels as a `Trainable`: their `build` and `fit` with the callbacks of a trial."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from sweep.data.dataset import Dataset, Part
from sweep.errors import ModelError
from sweep.models.build import compile_model
from sweep.models.hypermodel_discovery import FitEnded, discover
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
from sweep.models.user_model_checks import is_compiled
from sweep.records.image_facts import ImageFacts
from sweep.records.seeds import derive
from sweep.records.trial_result import OnEpoch
from sweep.space.config import TrialConfig
from sweep.space.hypermodel_space import Discovery
from sweep.space.model_sections import HypermodelConfig
from sweep.space.parameters import Parameter
from sweep.training.callbacks import EpochStart, PlainValidationLoss, Reporter, schedules
from sweep.training.hypermodel_fit import (
    HypermodelReporter,
    LogCompleter,
    PixelScaler,
    ScaledBatches,
    UnreadValues,
    labels_of,
)
from sweep.training.tf_batches import VALIDATION_BATCH, one_hot, training_pipeline, validation_pipeline_of_arrays
from sweep.training.tf_determinism import epoch_order


class HypermodelTrainable:
    """See `Trainable`. The model receives float32 pixels, scaled as the section `model` says."""

    resumable = False
    must_save = False

    def __init__(self, config: TrialConfig, section: HypermodelConfig, facts: ImageFacts) -> None:
        self._config = config
        self._section = section
        self._facts = facts

    def untrained(self) -> keras.Model:
        """Return a new model."""
        return build_hypermodel(self._section, self._facts)

    def discover(self, written: Mapping[str, Parameter]) -> Discovery:
        """Return the hyperparameters."""
        return discover(self._section, self._facts, written)

    def build(self, dataset: Dataset) -> None:
        """Build `model`, and compile it if neither its `build` nor its `fit` does."""
        config, section, facts = self._config, self._section, self._facts
        self._dataset = dataset
        self._hypermodel = make_hypermodel(section, facts)
        # After the import of the user's module, which may draw random numbers.
        keras.utils.set_random_seed(derive(config.seed))
        self._chosen = ChosenHyperParameters(section.hyperparameters)
        self.model = build_from(self._hypermodel, self._chosen, section, facts)
        if not has_user_fit(self._hypermodel):
            compile_model(self.model, config)
        self._read_by_build = dict(self._chosen.read)
        self._digest_of_build = model_digest(self.model, config)
        self.schedules = schedules(config.training) if is_compiled(self.model) else []
        self._integer = label_kind(self.model, section) == "integer"
        self._pixels = PixelScaler(section.pixel_scaling, facts)
        self._validation = self._arrays(dataset.validation)
        self._completer = LogCompleter(
            self.model, self._train_arrays, lambda: self._validation, logits=section.output == "logits"
        )

    def _train_arrays(self) -> tuple[Any, Any]:
        """The training images, shuffled once, because a user's own loop may not shuffle."""
        images, labels = self._arrays(self._dataset.train)
        order = epoch_order(len(labels), self._config.seed, 0)
        return images[order], labels[order]

    def _arrays(self, part: Part) -> tuple[Any, Any]:
        return self._pixels.scale_part(part), labels_of(one_hot(part.labels, self._facts.classes), self._integer)

    def reporter(self, on_epoch: OnEpoch) -> Reporter:
        """Return the callback that reports each epoch."""
        return HypermodelReporter(self._config, on_epoch, self._completer, self._learning_rate)

    def _learning_rate(self) -> float:
        """The rate of the compiled optimizer; for a loop with its own optimizer the hyperparameter, or 0."""
        if is_compiled(self.model):
            return float(np.asarray(self.model.optimizer.learning_rate))
        rate = self._chosen.read.get("learning_rate", self._chosen.read.get("lr", 0.0))
        return float(rate) if isinstance(rate, int | float) else 0.0

    def fit(self, reporter: Reporter, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Train with the hypermodel's `fit`: the user's own receives arrays, KerasTuner's a pipeline."""
        callbacks = [
            self._completer,
            PlainValidationLoss(),
            UnreadValues(self._chosen),
            *callbacks,
            keras.callbacks.TerminateOnNaN(),
            *self.schedules,
            reporter,
        ]
        run = self._run_user_fit if has_user_fit(self._hypermodel) else self._run_usual_fit
        with contextlib.suppress(FitEnded):
            run(reporter, callbacks, {"epochs": self._config.training.epochs, "verbose": 0})

    def _run_usual_fit(
        self, _: Reporter, callbacks: list[keras.callbacks.Callback], keywords: Mapping[str, Any]
    ) -> None:
        batches = ScaledBatches(self._dataset.train, self._facts.classes, self._config, self._pixels, self._integer)
        self._hypermodel.fit(
            self._chosen,
            self.model,
            training_pipeline(batches),
            shuffle=False,  # Keras would warn that it cannot shuffle a pipeline
            validation_data=validation_pipeline_of_arrays(*self._validation),
            callbacks=[EpochStart(batches, self._config.seed), *callbacks],
            **keywords,
        )

    def _run_user_fit(
        self, reporter: Reporter, callbacks: list[keras.callbacks.Callback], keywords: Mapping[str, Any]
    ) -> None:
        for callback in callbacks:
            callback.set_model(self.model)
        data = (*self._train_arrays(), self._validation)
        sizes = {"batch_size": self._config.training.batch_size, "validation_batch_size": VALIDATION_BATCH}
        run_user_fit(self._hypermodel, self._chosen, self.model, data, {**keywords, **sizes, "callbacks": callbacks})
        if not reporter.epochs and reporter.not_finite is None:
            raise ModelError(
                f"the `fit` of {self._section.hypermodel} reported no epoch: pass its argument `callbacks` on to "
                "model.fit, or call on_epoch_end(epoch, logs) of each callback in your own loop"
            )
        check_parameters(self.model, self._section.max_parameters)

    def deploy(self) -> keras.Model:
        """Return the trained model behind its pixel scaling."""
        return deployable_hypermodel(self.model, self._section, self._facts)

    @property
    def digest(self) -> str | None:
        """See `model_digest`; includes the values that were read after the build, which take effect in `fit`."""
        later = {name: value for name, value in self._chosen.read.items() if name not in self._read_by_build}
        return extended(self._digest_of_build, later)

    @property
    def notes(self) -> tuple[str, ...]:
        """Hyperparameters that the study does not know."""
        unknown = self._chosen.unknown
        if not unknown:
            return ()
        defaults = ", ".join(f"{name}={value}" for name, value in unknown.items())
        return (f"hyperparameters outside the space had their defaults: {defaults}",)
