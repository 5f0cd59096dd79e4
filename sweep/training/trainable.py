"""One interface to build, train and deploy the model of a configuration, whether sweep, a function or a hypermodel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import keras

from sweep.data.dataset import Dataset
from sweep.records.image_facts import ImageFacts
from sweep.records.trial_result import OnEpoch
from sweep.space.config import TrialConfig
from sweep.space.hypermodel_space import Discovery
from sweep.space.model_sections import HypermodelConfig
from sweep.space.parameters import Parameter
from sweep.training.builder_trainable import BuilderTrainable
from sweep.training.callbacks import Reporter
from sweep.training.hypermodel_trainable import HypermodelTrainable


class Trainable(Protocol):
    """The model of one configuration. `build` makes `model`, which everything below it uses."""

    model: keras.Model
    schedules: list[keras.callbacks.Callback]
    """ReduceLROnPlateau and EarlyStopping, if the configuration has them and they apply to this model."""
    resumable: bool
    """Whether an interrupted trial resumes from a checkpoint; otherwise it starts from scratch."""
    must_save: bool
    """Whether a model that Keras cannot write is a failure of the trial."""

    def untrained(self) -> keras.Model:
        """Return a new model without pre-trained weights, to measure its size and speed.

        Raises:
            TrialFailure: infeasible or too_large.
            ModelError: a user's model cannot be built.
        """

    def discover(self, written: Mapping[str, Parameter]) -> Discovery:
        """Return what a user's model determines about its space.

        Args:
            written: the hyperparameters in the space file.

        Raises:
            ModelError: the model cannot be built, or its outputs contradict the space file.
        """

    def build(self, dataset: Dataset) -> None:
        """Seed the random generators, then build and compile `model` to train on this data set.

        Raises:
            TrialFailure: infeasible or too_large.
            WeightsError: pre-trained weights are not available.
            ModelError: a user's model cannot be built.
        """

    def reporter(self, on_epoch: OnEpoch) -> Reporter:
        """Return the callback that reports each epoch of `fit`."""

    def fit(self, reporter: Reporter, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Train until all epochs are done, early stopping, a loss that is not finite, or a request to stop.

        Args:
            reporter: from `reporter`; training starts after the epochs that it already has.
            callbacks: further callbacks that run before the reporter.

        Raises:
            TrialFailure: infeasible, if a hyperparameter was not read before the first epoch; too_large.
            ModelError: a user's `fit` reported no epoch.
        """

    def deploy(self) -> keras.Model:
        """Return the trained model without augmentation: from raw pixels 0..255 to its outputs."""

    @property
    def digest(self) -> str | None:
        """See `model_digest`; call it after `fit`, which may read further hyperparameters."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for a reader of the trial record."""


def make_trainable(config: TrialConfig, facts: ImageFacts) -> Trainable:
    """Return the trainable of a configuration. Nothing is built yet."""
    if isinstance(config.model, HypermodelConfig):
        return HypermodelTrainable(config, config.model, facts)
    return BuilderTrainable(config, facts)
