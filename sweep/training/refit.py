"""Training a configuration once more on all images of a search, as a search has learned to train it.

There is no validation part left, so nothing is decided here: as many epochs as are given learning rates, no early
stopping, no reduction on a plateau, no restart from the best weights. What a schedule changed at every step is replayed
as its mean over each epoch.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras

from sweep.data.cache import Prepared
from sweep.data.dataset import Dataset
from sweep.data.loading import load, load_whole
from sweep.errors import TrialFailure
from sweep.models.build import build, compile_model, deployable
from sweep.models.model_size import count_parameters
from sweep.records.seeds import Purpose, derive
from sweep.records.trial_result import RefitResult
from sweep.space.config import TrialConfig
from sweep.space.user_model_configs import HypermodelConfig
from sweep.training.batches import training_batches
from sweep.training.callbacks import EpochStart
from sweep.training.determinism import weights_digest
from sweep.training.hypermodel_training import HypermodelTrial
from sweep.training.tf_data_pipeline import training_pipeline
from sweep.training.tf_threads import use_threads
from sweep.training.train import save_model


class ReplayRates(keras.callbacks.Callback):
    """Sets the learning rate of each epoch to what another run had there."""

    def __init__(self, rates: Sequence[float]) -> None:
        super().__init__()
        self._rates = tuple(rates)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002 - Keras's signature
        """Keras counts epochs from 0. A model of the user's own may have no optimizer that Keras knows."""
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is None:
            return
        # One that was made with a schedule refuses to be given a rate; it counts the steps here as it did there.
        with suppress(TypeError):
            optimizer.learning_rate = self._rates[min(epoch, len(self._rates) - 1)]


def refit(prepared: Prepared, config: TrialConfig, rates: Sequence[float], path: Path) -> RefitResult:
    """Train on training and validation images together and write the model. For a child process.

    Args:
        prepared: the decoded images.
        config: its seed, builder, batch size, optimizer and augmentation count; its number of epochs does not.
        rates: learning rate of each epoch.
        path: of the .keras file; in a form without augmentation.

    Raises:
        TrialFailure: nan, when the loss stopped being a finite number.
        DataError: the images cannot be read.
    """
    use_threads(config.threads)
    keras.utils.set_random_seed(derive(config.seed))
    dataset = load_whole(prepared, config.data)
    facts = dataset.facts
    if isinstance(config.model, HypermodelConfig):
        return _refit_hypermodel(prepared, config, dataset, rates, path)
    model = build(config, facts, derive(config.seed, Purpose.WEIGHTS))
    compile_model(model, config)
    batches = training_batches(dataset.train, facts.classes, config)
    begun = time.perf_counter()
    history = model.fit(
        training_pipeline(batches),
        shuffle=False,  # Keras would warn that it cannot
        epochs=len(rates),
        callbacks=[EpochStart(batches, config.seed), ReplayRates(rates), keras.callbacks.TerminateOnNaN()],
        verbose=0,
    )
    losses = tuple(float(loss) for loss in history.history["loss"])
    if len(losses) < len(rates) or not math.isfinite(losses[-1]):
        raise TrialFailure("nan", f"the loss was not a finite number in epoch {len(losses)}")
    save_model(deployable(model, config, facts), path)
    return RefitResult(
        dataset.stamp, losses, count_parameters(model), weights_digest(model), time.perf_counter() - begun
    )


def _refit_hypermodel(
    prepared: Prepared, config: TrialConfig, dataset: Dataset, rates: Sequence[float], path: Path
) -> RefitResult:
    """The same for a hypermodel, whose `fit` wants validation images: those of the search, which are trained on too.

    Nothing is decided by them, because stopping and plateaus are off.
    """
    training = dataclasses.replace(config.training, reduce_lr_on_plateau=None, early_stopping=None)
    plain = dataclasses.replace(config, training=training)
    both = dataclasses.replace(dataset, validation=load(prepared, config.data).validation)
    begun = time.perf_counter()
    replay = ReplayRates(rates)
    trial = HypermodelTrial(plain, both, dataset.facts, lambda metrics: metrics.epoch >= len(rates), [replay])
    trial.fit()
    if trial.reporter.not_finite is not None:
        raise TrialFailure("nan", f"the loss was not a finite number in epoch {trial.reporter.not_finite}")
    save_model(deployable(trial.model, plain, dataset.facts), path)
    losses = tuple(metrics.loss for metrics in trial.reporter.epochs)
    seconds = time.perf_counter() - begun
    return RefitResult(dataset.stamp, losses, count_parameters(trial.model), trial.weights_digest, seconds)
