"""How images come to Keras: as a tf.data pipeline that tunes nothing by itself.

Given arrays or a PyDataset, Keras makes a pipeline with tf.data's autotuning. The tuner's thread sleeps for ever longer
spans, up to a minute, and sometimes the end of an epoch has to wait for it (TensorFlow 2.21): epochs of 42 s were
followed by up to 36 s in which nobody worked. A buffer of a fixed size needs no such thread.

TensorFlow keeps what a pipeline reads from until `keras.backend.clear_session()`: make one for a training, not one for
an epoch, and let it read from files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from sweep.data.dataset import Dataset
from sweep.training.batches import one_hot

VALIDATION_BATCH = 256
"""Images a batch in validation: no gradients are kept, so more than in training fits; beyond it nothing gets faster."""
AHEAD = 2
"""Batches made while one is trained with: the next is always there, and taking one is far faster than training."""

Batch = tuple[npt.NDArray[Any], ...]


def training_pipeline(batches: keras.utils.PyDataset) -> tf.data.Dataset:
    """Batches in the order that they have when an epoch begins; what they are is theirs to say.

    Args:
        batches: of arrays whose first axis is the batch's.
    """
    return _pipeline(lambda index: batches[index], len(batches))


def validation_pipeline(dataset: Dataset) -> tf.data.Dataset:
    """The validation images and their one-hot labels, as every epoch ends with them."""
    part = dataset.validation
    labels = one_hot(part.labels, len(dataset.classes))

    def batch(index: int) -> Batch:
        positions = np.arange(index * VALIDATION_BATCH, min((index + 1) * VALIDATION_BATCH, len(part)))
        return part.batch(positions), labels[positions]

    return _pipeline(batch, -(-len(part) // VALIDATION_BATCH))


def validation_pipeline_of_arrays(images: npt.NDArray[Any], labels: npt.NDArray[Any]) -> tf.data.Dataset:
    """The same of images (n, h, w, c) and labels, (n,) or (n, classes), that have been prepared in memory."""

    def batch(index: int) -> Batch:
        part = slice(index * VALIDATION_BATCH, (index + 1) * VALIDATION_BATCH)
        return images[part], labels[part]

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
