"""Models made by a builder, sweep's or the user's, as a `Trainable`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras

from sweep.data.dataset import Dataset
from sweep.errors import TrialFailure
from sweep.models.build import build, compile_model, deployable, untrained
from sweep.models.hypermodel_discovery import OPTIMIZER_KEYS, PLATEAU
from sweep.models.model_digest import model_digest
from sweep.models.user_builder import user_compiled
from sweep.models.user_model_checks import check_outputs_for_noise, has_schedule
from sweep.records.image_facts import ImageFacts
from sweep.records.seeds import Purpose, derive
from sweep.records.trial_result import OnEpoch
from sweep.space.config import TrialConfig
from sweep.space.hypermodel_space import Discovery
from sweep.space.parameters import Parameter
from sweep.training.callbacks import EpochStart, PlainValidationLoss, Reporter, restarts, schedules
from sweep.training.tf_batches import training_batches, training_pipeline, validation_pipeline


class BuilderTrainable:
    """See `Trainable`."""

    resumable = True
    must_save = True
    notes = ()

    def __init__(self, config: TrialConfig, facts: ImageFacts) -> None:
        self._config = config
        self._facts = facts
        self.schedules = schedules(config.training)

    def untrained(self) -> keras.Model:
        """Return a new model without pre-trained weights."""
        return build(untrained(self._config), self._facts, seed=0)

    def discover(self, written: Mapping[str, Parameter]) -> Discovery:  # noqa: ARG002 - builders have no hyperparameters
        """Return the keys of the section `training` that a user's compiled model does not read."""
        section = self._config.model
        try:
            model = build(self._config, self._facts, seed=0)
        except TrialFailure:  # this one point is too large; others may not be
            return Discovery()
        check_outputs_for_noise(model, self._facts.shape, section.output, section.builder)
        network = user_compiled(model)
        if network is None:
            return Discovery()
        unused = dict.fromkeys(OPTIMIZER_KEYS, f"{section.builder} compiles its model itself")
        if has_schedule(network):
            unused[PLATEAU] = f"the optimizer of {section.builder} has its own schedule"
        return Discovery(unused=unused)

    def build(self, dataset: Dataset) -> None:
        """Seed the random generators, build and compile `model`."""
        config = self._config
        keras.utils.set_random_seed(derive(config.seed))
        self.model = build(config, self._facts, derive(config.seed, Purpose.WEIGHTS))
        self._dataset = dataset
        self._batches = training_batches(dataset.train, self._facts.classes, config)
        compile_model(self.model, config, len(self._batches))
        self.digest = model_digest(self.model, config)

    def reporter(self, on_epoch: OnEpoch) -> Reporter:
        """Return the callback that reports each epoch."""
        return Reporter(self._config, on_epoch)

    def fit(self, reporter: Reporter, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Train after the epochs that the reporter already has."""
        training = self._config.training
        self.model.fit(
            training_pipeline(self._batches),
            shuffle=False,  # Keras would warn that it cannot shuffle a pipeline
            validation_data=validation_pipeline(self._dataset),
            initial_epoch=len(reporter.epochs),
            epochs=training.epochs,
            callbacks=[
                *callbacks,
                EpochStart(self._batches, self._config.seed),
                keras.callbacks.TerminateOnNaN(),
                PlainValidationLoss(),
                *self.schedules,
                *restarts(training, reporter),
                reporter,
            ],
            verbose=0,
        )

    def deploy(self) -> keras.Model:
        """Return the trained model without augmentation."""
        return deployable(self.model, self._config, self._facts)
