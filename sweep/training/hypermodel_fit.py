"""Our side of a hypermodel's training: what it is fed with, and callbacks that bear with any training loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from sweep.data.dataset import Part
from sweep.errors import TrialFailure
from sweep.models.hypermodel_discovery import ProbeFinished
from sweep.models.hyperparameters import ChosenHyperParameters
from sweep.models.pixel_scaling import pixel_scaling_layers
from sweep.records.image_facts import ImageFacts
from sweep.records.trial_result import OnEpoch
from sweep.space.config import TrialConfig
from sweep.training.batches import Batches
from sweep.training.callbacks import Reporter

_Array = npt.NDArray[Any]
_Arrays = Callable[[], tuple[_Array, _Array]]
"""Images and labels, made when they are asked for."""
SAME_AS_ACCURACY = ("accuracy", "acc", "categorical_accuracy", "sparse_categorical_accuracy")
"""Names under which models of the user's report what we call accuracy."""
METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")
_BATCH = 256


class Pixels:
    """Images as a hypermodel is fed with them: float32 (n, h, w, c), scaled as its section says."""

    def __init__(self, scaling: str, facts: ImageFacts) -> None:
        self._layers = list(pixel_scaling_layers(scaling, facts))

    def __call__(self, images: _Array) -> npt.NDArray[np.float32]:
        """Scale uint8 images (n, h, w, c)."""
        pixels = images.astype(np.float32)
        for layer in self._layers:
            pixels = keras.ops.convert_to_numpy(layer(pixels))
        return pixels

    def whole(self, part: Part) -> npt.NDArray[np.float32]:
        """All images of a part."""
        positions = np.arange(len(part))
        starts = range(0, len(part), _BATCH)
        return np.concatenate([self(part.batch(positions[start : start + _BATCH])) for start in starts])


def labels_of(one_hot: _Array, integer: bool) -> _Array:
    """One-hot rows, or the numbers of the classes."""
    return one_hot.argmax(axis=1) if integer else one_hot


class ScaledBatches(Batches):
    """`Batches` of scaled pixels, with the labels that the model's loss wants."""

    def __init__(self, part: Part, classes: int, config: TrialConfig, pixels: Pixels, integer: bool) -> None:
        super().__init__(part, classes, config.training.batch_size, config.seed)
        self._pixels = pixels
        self._integer = integer

    def __getitem__(self, index: int) -> tuple[_Array, _Array]:
        images, labels = super().__getitem__(index)
        return self._pixels(images), labels_of(labels, self._integer)


class FirstEpoch(keras.callbacks.Callback):
    """Ends a trial before its first epoch if a chosen value has not been asked for by then.

    Args:
        hyperparameters: of the trial.
    """

    def __init__(self, hyperparameters: ChosenHyperParameters) -> None:
        super().__init__()
        self._hyperparameters = hyperparameters
        self.before: dict[str, Any] = {}

    def check(self) -> None:
        """Raises TrialFailure: infeasible."""
        unread = self._hyperparameters.unread
        if unread:
            raise TrialFailure(
                "infeasible",
                f"nobody has asked for {', '.join(unread)} before the first epoch, so its value has no effect; "
                "say with hp.conditional_scope when it is used",
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """In time."""
        self.check()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """For a loop that tells of ends only."""
        self.check()


class CompleteLogs:
    """Adds to an epoch's logs what a hypermodel did not measure: loss and accuracy, in training and validation.

    Args:
        model: that is trained.
        train, validation: give (images, labels) as the model is fed with; called when they are needed.
        logits: the model's outputs have yet to go through softmax.
    """

    def __init__(self, model: keras.Model, train: _Arrays, validation: _Arrays, *, logits: bool) -> None:
        self._model = model
        self._logits = logits
        self._parts = {"": train, "val_": validation}
        self._last: tuple[dict[str, Any], dict[str, float]] = ({}, {})

    def __call__(self, logs: dict[str, Any] | None) -> dict[str, float]:
        """The four metrics; what is not in the logs is measured on all images, without dropout or augmentation."""
        told = dict(logs or {})
        if told and told == self._last[0]:  # the next callback, called with the same logs
            return self._last[1]
        found = {key: float(told[key]) for key in METRICS if key in told}
        for prefix in ("", "val_"):
            alias = next((prefix + name for name in SAME_AS_ACCURACY if prefix + name in told), None)
            if alias is not None:
                found[f"{prefix}accuracy"] = float(told[alias])
            if not {f"{prefix}loss", f"{prefix}accuracy"} <= found.keys():
                found = {**self._measure(prefix, *self._parts[prefix]()), **found}
        self._last = (told, found)
        return found

    def forget(self) -> None:
        """The epoch is over: equal logs of the next are another measurement."""
        self._last = ({}, {})

    def _measure(self, prefix: str, images: _Array, labels: _Array) -> dict[str, float]:
        """Cross-entropy and accuracy."""
        outputs = np.asarray(self._model.predict(images, batch_size=_BATCH, verbose=0), dtype=np.float64)
        if self._logits:
            outputs = softmax(outputs, axis=1)
        numbers = labels if labels.ndim == 1 else labels.argmax(axis=1)
        right = np.clip(outputs[np.arange(len(outputs)), numbers], 1e-7, 1.0)
        return {
            f"{prefix}loss": float(-np.log(right).mean()),
            f"{prefix}accuracy": float((outputs.argmax(axis=1) == numbers).mean()),
        }


class LogFiller(keras.callbacks.Callback):
    """The first callback: gives the others, which share the logs, what is missing in them."""

    def __init__(self, complete: CompleteLogs) -> None:
        super().__init__()
        self._complete = complete

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Fill in place."""
        if logs is not None:
            logs.update(self._complete(logs))


class UserFitReporter(Reporter):
    """Reports the epochs of any loop: one that counts anew, forgets the beginnings, or goes on when told to stop.

    Args:
        config: of the trial.
        on_epoch: told every epoch.
        complete: fills the logs of a loop that calls each callback by itself.
        learning_rate: said of an epoch where the model has no optimizer of its own.
    """

    def __init__(
        self, config: TrialConfig, on_epoch: OnEpoch, complete: CompleteLogs, learning_rate: Callable[[], float]
    ) -> None:
        super().__init__(config, on_epoch)
        self._complete = complete
        self._rate = learning_rate
        self._started = time.perf_counter()
        self._learning_rate = learning_rate()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note time and learning rate."""
        self._end_if_stopped()
        self._started = time.perf_counter()
        self._learning_rate = self._rate()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Report with our own count."""
        self._end_if_stopped()
        super().on_epoch_end(len(self.epochs), dict(self._complete(logs)))
        self._complete.forget()
        self._started = time.perf_counter()
        self._learning_rate = self._rate()

    def _end_if_stopped(self) -> None:
        """A loop of the user's own need not look at `stop_training`."""
        if self.stopped or self.not_finite is not None:
            raise ProbeFinished
