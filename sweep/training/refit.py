"""Training a configuration on all images of a search, with the epochs and learning rates that the search has found.

No validation set is left, so nothing is decided during training: there is no early stopping, no reduction on a plateau
and no restart from the best weights. If a schedule changed the rate at every step, each epoch has the mean rate.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
from typing_extensions import override

from sweep.data.cache import Prepared
from sweep.data.loading import load, load_whole
from sweep.models.model_size import count_parameters
from sweep.records.held_file import HeldFile
from sweep.records.study_lock import check_lock
from sweep.records.trial_result import RefitResult
from sweep.space.config import TrialConfig
from sweep.space.model_sections import HypermodelConfig
from sweep.training.tf_determinism import use_threads, weights_digest
from sweep.training.train import check_finite, save_model
from sweep.training.trainable import make_trainable


class ReplayRates(keras.callbacks.Callback):
    """Gives each epoch the learning rate that the epoch of the same number had in the search."""

    def __init__(self, rates: Sequence[float]) -> None:
        super().__init__()
        self._rates = tuple(rates)

    @override
    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is None:  # a user's own loop has an optimizer that Keras does not know
            return
        # An optimizer with a schedule refuses a rate (TypeError): the schedule decides, as in the search.
        with suppress(TypeError):
            optimizer.learning_rate = self._rates[min(epoch, len(self._rates) - 1)]


def refit(prepared: Prepared, config: TrialConfig, rates: Sequence[float], path: Path, lock: HeldFile) -> RefitResult:
    """Train on training and validation images together and write the model. Runs in a child process.

    Only a hypermodel gets validation images, because its `fit` may require them; it trains on these images too.

    Args:
        prepared: the decoded images.
        config: the trial's configuration, with at least one epoch per rate.
        rates: learning rate of each epoch.
        path: the .keras file to write; its model has no augmentation.
        lock: the file of the study's lock, which the caller's process holds.

    Raises:
        TrialFailure: nan, when the training loss is not a finite number.
        DataError: the images cannot be read.
        StudyError: the study's folder was moved, removed or replaced; nothing is written.
    """
    use_threads(config.threads)
    dataset = load_whole(prepared, config.data)
    callbacks: list[keras.callbacks.Callback] = [ReplayRates(rates)]
    if isinstance(config.model, HypermodelConfig):
        dataset = dataclasses.replace(dataset, validation=load(prepared, config.data).validation)
    else:  # the reporter requires validation metrics, but their values do not matter here
        unvalidated = {"val_loss": 0.0, "val_accuracy": 0.0}
        callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: logs.update(unvalidated)))
    training = dataclasses.replace(
        config.training, schedule="constant", reduce_lr_on_plateau=None, early_stopping=None, restart_every=None
    )
    trainable = make_trainable(dataclasses.replace(config, training=training), dataset.facts)
    started = time.perf_counter()
    trainable.build(dataset)
    reporter = trainable.reporter(lambda metrics: metrics.epoch >= len(rates))
    trainable.fit(reporter, callbacks)
    check_finite(reporter)
    model = trainable.deploy()
    check_lock(lock)
    save_model(model, path)
    return RefitResult(
        data=dataset.stamp,
        losses=tuple(metrics.loss for metrics in reporter.epochs),
        parameters=count_parameters(trainable.model),
        weights_digest=weights_digest(trainable.model),
        seconds=time.perf_counter() - started,
    )
