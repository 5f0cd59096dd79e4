"""How images reach Keras: batches in an order that depends only on (seed, epoch), through a plain tf.data pipeline.

From arrays or a PyDataset, Keras makes a pipeline with tf.data's autotuning. The tuner's thread sleeps for longer and
longer, up to a minute, and sometimes the end of an epoch waits for this thread (TensorFlow 2.21): epochs of 42 s were
followed by up to 36 s without any work. This module's pipelines have a buffer of fixed size and no tuner.

TensorFlow keeps the source of a pipeline, and its arrays, until `keras.backend.clear_session()`. To save memory, make
one pipeline per training, not one per epoch, from a source that reads images from files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from sweep.data.dataset import Dataset, Part
from sweep.records.array_types import IntArray
from sweep.space.config import TrialConfig
from sweep.training.tf_determinism import epoch_order

VALIDATION_BATCH = 256
"""Number of images per batch in validation: more than in training, because there are no gradients to keep."""
AHEAD = 2
"""Number of batches made in advance: making a batch is far faster than training on it, so 2 are enough."""

Batch = tuple[npt.NDArray[Any], ...]


class Batches(keras.utils.PyDataset):
    """Batches of (uint8 images (b, h, w, c), float32 one-hot labels (b, classes)); the last may be smaller.

    With `weights`, a third element is the weight of each image's class, float32 (b,).

    Args:
        part: the training images.
        classes: number of classes.
        batch_size: images per batch.
        seed: the trial's seed, which decides the order together with the epoch.
        weights: weights of the classes, float32 (classes,); None for equal weights.
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
        """Shuffle the images for an epoch, counted from 1."""
        self._order = epoch_order(len(self._part), self._seed, epoch)

    def __len__(self) -> int:
        return -(-len(self._part) // self._batch_size)

    def __getitem__(self, index: int) -> Batch:
        positions = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        batch = (self._part.batch(positions), self._one_hot[positions])
        return batch if self._weights is None else (*batch, self._weights[positions])


def training_batches(part: Part, classes: int, config: TrialConfig) -> Batches:
    """Return the batches of a configuration, with its batch size, order and class weights."""
    training = config.training
    weights = balanced_weights(part.labels, classes) if training.class_weights == "balanced" else None
    return Batches(part, classes, training.batch_size, config.seed, weights)


def one_hot(labels: IntArray, classes: int) -> npt.NDArray[np.float32]:
    """Return float32 (n, classes) with a single 1 per row."""
    return np.eye(classes, dtype=np.float32)[labels]


def balanced_weights(labels: IntArray, classes: int) -> npt.NDArray[np.float32]:
    """Return n / (classes * images of the class) for each class, float32 (classes,); the mean over all images is 1."""
    weights = compute_class_weight("balanced", classes=np.arange(classes), y=labels)
    return np.asarray(weights, dtype=np.float32)


def training_pipeline(batches: keras.utils.PyDataset) -> tf.data.Dataset:
    """Return a pipeline that reads the batches again in each epoch, in the order that `start_epoch` has set.

    Args:
        batches: a sequence of tuples of arrays; the first axis of each array is the batch.
    """
    return _pipeline(lambda index: batches[index], len(batches))


def validation_pipeline(dataset: Dataset) -> tf.data.Dataset:
    """Return a pipeline of the validation images, uint8, and their one-hot labels."""
    part = dataset.validation
    labels = one_hot(part.labels, len(dataset.classes))
    return _validation_pipeline(lambda rows: part.images[part.index[rows]], labels)


def validation_pipeline_of_arrays(images: npt.NDArray[Any], labels: npt.NDArray[Any]) -> tf.data.Dataset:
    """Return a pipeline of images in memory (n, h, w, c) with their labels, (n,) or (n, classes)."""
    return _validation_pipeline(lambda rows: images[rows], labels)


def _validation_pipeline(images: Callable[[slice], npt.NDArray[Any]], labels: npt.NDArray[Any]) -> tf.data.Dataset:
    def batch(index: int) -> Batch:
        rows = slice(index * VALIDATION_BATCH, (index + 1) * VALIDATION_BATCH)
        return images(rows), labels[rows]

    return _pipeline(batch, -(-len(labels) // VALIDATION_BATCH))


def _pipeline(batch: Callable[[int], Batch], count: int) -> tf.data.Dataset:
    def batches() -> Iterator[Batch]:
        return (batch(index) for index in range(count))

    signature = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in batch(0))
    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    counted = dataset.apply(tf.data.experimental.assert_cardinality(count))
    return counted.prefetch(AHEAD).with_options(options)
