"""Training images in batches, in an order that depends on (seed, epoch) alone."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from sklearn.utils.class_weight import compute_class_weight

from sweep.data.dataset import Part
from sweep.space.config import TrialConfig
from sweep.training.determinism import epoch_order


class Batches(keras.utils.PyDataset):
    """Batches of (uint8 images (b, h, w, c), float32 one-hot labels (b, classes)); the last may be smaller.

    With `weights` a third element follows: the weight of each image's class, float32 (b,).

    Args:
        part: the training images.
        classes: how many there are.
        batch_size: images a batch.
        seed: of the trial; with the epoch it decides the order.
        weights: of the classes, float32 (classes,); None where all weigh the same.
    """

    def __init__(
        self,
        part: Part,
        classes: int,
        batch_size: int,
        seed: int,
        weights: npt.NDArray[np.float32] | None = None,
    ) -> None:
        super().__init__()
        self._part = part
        self._one_hot = one_hot(part.labels, classes)
        self._batch_size = batch_size
        self._seed = seed
        self._weights = None if weights is None else weights[part.labels]
        self.start_epoch(1)

    def start_epoch(self, epoch: int) -> None:
        """Shuffle for an epoch (1 for the first)."""
        self._order = epoch_order(len(self._part), self._seed, epoch)

    def __len__(self) -> int:
        return -(-len(self._part) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[npt.NDArray[Any], ...]:
        positions = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        batch = (self._part.batch(positions), self._one_hot[positions])
        return batch if self._weights is None else (*batch, self._weights[positions])


def training_batches(part: Part, classes: int, config: TrialConfig) -> Batches:
    """The batches that a configuration trains with: its batch size, order and class weights."""
    training = config.training
    weights = balanced_weights(part.labels, classes) if training.class_weights == "balanced" else None
    return Batches(part, classes, training.batch_size, config.seed, weights)


def one_hot(labels: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float32]:
    """float32 (n, classes) with a single 1 a row."""
    return np.eye(classes, dtype=np.float32)[labels]


def balanced_weights(labels: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float32]:
    """n / (classes * images of the class) for each class, float32 (classes,): so the mean over the images is 1."""
    weights = compute_class_weight("balanced", classes=np.arange(classes), y=labels)
    return np.asarray(weights, dtype=np.float32)
