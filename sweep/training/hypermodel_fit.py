"""What a hypermodel's `fit` receives: scaled images, and callbacks that work in any training loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from typing_extensions import override

from sweep.data.dataset import Part
from sweep.errors import TrialFailure
from sweep.models.hypermodel_discovery import FitEnded
from sweep.models.hyperparameters import ChosenHyperParameters
from sweep.models.preprocessing import pixel_scaling_layers
from sweep.records.image_facts import ImageFacts
from sweep.records.trial_result import OnEpoch
from sweep.space.config import TrialConfig
from sweep.training.callbacks import METRICS, Reporter
from sweep.training.tf_batches import VALIDATION_BATCH, Batches, one_hot

_Array = npt.NDArray[Any]
_Arrays = Callable[[], tuple[_Array, _Array]]
"""Returns (images, labels); a function, so that the arrays are made only when they are needed."""
SAME_AS_ACCURACY = ("accuracy", "acc", "categorical_accuracy", "sparse_categorical_accuracy")
"""Names under which users' models report their accuracy."""


class InputConverter:
    """Converts images and labels to what a hypermodel's model takes.

    Args:
        scaling: `pixel_scaling` of the section `model`.
        facts: facts of the images.
        integers: True for class numbers, False for one-hot labels.
    """

    def __init__(self, scaling: str, facts: ImageFacts, integers: bool) -> None:
        self._layers = list(pixel_scaling_layers(scaling, facts))
        self._classes = facts.classes
        self._integers = integers

    def __call__(self, images: _Array, labels: _Array) -> tuple[_Array, _Array]:
        """Convert uint8 images (n, h, w, c) and one-hot labels (n, classes); the images become float32."""
        pixels = images.astype(np.float32)
        for layer in self._layers:
            pixels = keras.ops.convert_to_numpy(layer(pixels))
        return pixels, labels.argmax(axis=1) if self._integers else labels

    def part(self, part: Part) -> tuple[_Array, _Array]:
        """Convert all images and labels of a part."""
        labels = one_hot(part.labels, self._classes)
        starts = range(VALIDATION_BATCH, len(part), VALIDATION_BATCH)
        batches = [
            self(part.batch(positions), labels[positions]) for positions in np.split(np.arange(len(part)), starts)
        ]
        images, converted = zip(*batches, strict=True)
        return np.concatenate(images), np.concatenate(converted)


class ScaledBatches(Batches):
    """`Batches` whose images and labels an `InputConverter` has converted."""

    def __init__(self, part: Part, classes: int, config: TrialConfig, convert: InputConverter) -> None:
        super().__init__(part, classes, config.training.batch_size, config.seed)
        self._convert = convert

    def __getitem__(self, index: int) -> tuple[_Array, _Array]:
        images, labels = super().__getitem__(index)
        return self._convert(images, labels)


class UnreadValues(keras.callbacks.Callback):
    """Ends a trial with TrialFailure (infeasible) if the hypermodel did not read a chosen value by the first epoch."""

    def __init__(self, hyperparameters: ChosenHyperParameters) -> None:
        super().__init__()
        self._hyperparameters = hyperparameters

    @override
    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        unread = self._hyperparameters.unread
        if unread:
            raise TrialFailure(
                "infeasible",
                f"the hypermodel has not read {', '.join(unread)} before the first epoch, so the chosen value "
                "has no effect; use hp.conditional_scope to declare when each hyperparameter is used",
            )

    on_epoch_end = on_epoch_begin  # a user's loop may call only on_epoch_end


class LogCompleter(keras.callbacks.Callback):
    """Completes an epoch's logs: adds those of the four `METRICS` that the hypermodel's `fit` did not measure.

    It must be the first callback: it completes the logs in place, and in `model.fit` all callbacks share them.

    Args:
        model: the model that is trained.
        train, validation: functions that return (images, labels) as the model receives them.
        logits: True if the model's outputs still need softmax.
    """

    def __init__(self, model: keras.Model, train: _Arrays, validation: _Arrays, *, logits: bool) -> None:
        super().__init__()
        self._trained = model  # not `self.model`: a user's `fit` may set another one
        self._logits = logits
        self._parts = {"": train, "val_": validation}
        self._last: tuple[dict[str, Any], dict[str, float]] = ({}, {})

    @override
    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs.update(self.complete(logs))

    def complete(self, logs: dict[str, Any] | None) -> dict[str, float]:
        """Return the four metrics; metrics missing in the logs are measured on all images, without augmentation."""
        reported = dict(logs or {})
        if reported and reported == self._last[0]:  # already completed for another callback
            return self._last[1]
        found = {key: float(reported[key]) for key in METRICS if key in reported}
        for prefix, arrays in self._parts.items():
            alias = next((prefix + name for name in SAME_AS_ACCURACY if prefix + name in reported), None)
            if alias is not None:
                found[f"{prefix}accuracy"] = float(reported[alias])
            if not {f"{prefix}loss", f"{prefix}accuracy"} <= found.keys():
                found = {**self._measure(prefix, *arrays()), **found}
        self._last = (reported, found)
        return found

    def forget(self) -> None:
        """Forget the logs of the ended epoch, so that the next epoch is measured even if its logs are equal."""
        self._last = ({}, {})

    def _measure(self, prefix: str, images: _Array, labels: _Array) -> dict[str, float]:
        """Measure cross-entropy and accuracy."""
        outputs = np.asarray(self._trained.predict(images, batch_size=VALIDATION_BATCH, verbose=0), dtype=np.float64)
        if self._logits:
            outputs = softmax(outputs, axis=1)
        numbers = labels if labels.ndim == 1 else labels.argmax(axis=1)
        right = np.clip(outputs[np.arange(len(outputs)), numbers], 1e-7, 1.0)
        return {
            f"{prefix}loss": float(-np.log(right).mean()),
            f"{prefix}accuracy": float((outputs.argmax(axis=1) == numbers).mean()),
        }


class HypermodelReporter(Reporter):
    """Reports the epochs of any training loop.

    A loop may restart its count of epochs, report only the ends of epochs, or continue after a request to stop.

    Args:
        config: the trial's configuration.
        on_epoch: receives every epoch.
        completer: completes the logs again, because a user's own loop may pass separate logs to each callback.
        learning_rate: returns the current learning rate.
    """

    def __init__(
        self, config: TrialConfig, on_epoch: OnEpoch, completer: LogCompleter, learning_rate: Callable[[], float]
    ) -> None:
        super().__init__(config, on_epoch)
        self._completer = completer
        self._rate = learning_rate
        self._start_epoch()

    @override
    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._end_if_stopped()
        self._start_epoch()

    @override
    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._end_if_stopped()
        super().on_epoch_end(len(self.epochs), self._completer.complete(logs))  # a loop may restart its count
        self._completer.forget()
        self._start_epoch()

    def _start_epoch(self) -> None:
        self._started = time.perf_counter()
        self._learning_rate = self._rate()

    def _end_if_stopped(self) -> None:
        """End `fit` after a request to stop, because a user's own loop may ignore `stop_training`."""
        if self.stopped or self.not_finite is not None:
            raise FitEnded
