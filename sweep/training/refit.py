"""Training a configuration once more on all images of a search, as a search has learned to train it.

There is no validation part left, so nothing is decided here: as many epochs as are given learning rates, no early
stopping, no reduction on a plateau, no restart from the best weights. What a schedule changed at every step is replayed
as its mean over each epoch.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras

from sweep.data.cache import Prepared
from sweep.data.loading import load, load_whole
from sweep.models.model_size import count_parameters
from sweep.records.trial_result import RefitResult
from sweep.space.config import TrialConfig
from sweep.training.determinism import weights_digest
from sweep.training.tf_threads import use_threads
from sweep.training.train import check_finite, save_model
from sweep.training.trainable import make_trainable


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
    """Train on training and validation images together and write the model. Runs in a child process.

    A hypermodel's own `fit` requires validation images, so each epoch is validated on those of the search, which are
    also trained on. They decide nothing.

    Args:
        prepared: the decoded images.
        config: the trial's configuration; it trains as many epochs as there are rates.
        rates: learning rate of each epoch.
        path: the .keras file to write; its model has no augmentation.

    Raises:
        TrialFailure: nan, when a loss is not a finite number.
        DataError: the images cannot be read.
    """
    use_threads(config.threads)
    dataset = load_whole(prepared, config.data)
    training = dataclasses.replace(
        config.training, schedule="constant", reduce_lr_on_plateau=None, early_stopping=None, restart_every=None
    )
    trainable = make_trainable(dataclasses.replace(config, training=training), dataset.facts)
    started = time.perf_counter()
    trainable.build(dataclasses.replace(dataset, validation=load(prepared, config.data).validation))
    reporter = trainable.reporter(lambda metrics: metrics.epoch >= len(rates))
    trainable.fit(reporter, [ReplayRates(rates)])
    check_finite(reporter)
    save_model(trainable.deploy(), path)
    return RefitResult(
        data=dataset.stamp,
        losses=tuple(metrics.loss for metrics in reporter.epochs),
        parameters=count_parameters(trainable.model),
        weights_digest=weights_digest(trainable.model),
        seconds=time.perf_counter() - started,
    )
