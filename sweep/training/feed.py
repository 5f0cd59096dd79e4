"""How images come to Keras: as a tf.data pipeline that tunes nothing by itself.

Given arrays or a PyDataset, Keras makes a pipeline with tf.data's autotuning. The tuner's thread sleeps for ever longer
spans, up to a minute, and is waited for when an epoch's iterator goes: in children of the fork server epochs of 42 s
were followed by up to 36 s in which nobody worked (TensorFlow 2.21). A buffer of a fixed size needs no such thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy.typing as npt
import tensorflow as tf

AHEAD = 2
"""Batches made while one is trained with: the next is always there, and taking one is far faster than training."""

Batch = tuple[npt.NDArray[Any], ...]


def feed(batches: keras.utils.PyDataset) -> tf.data.Dataset:
    """Batches in the order that they have when an epoch begins; what they are is theirs to say.

    Args:
        batches: of arrays whose first axis is the batch's.
    """
    return _pipeline(lambda index: batches[index], len(batches))


def feed_arrays(images: npt.NDArray[Any], labels: npt.NDArray[Any], batch_size: int) -> tf.data.Dataset:
    """(images, labels) from the first to the last; the last batch may be smaller."""

    def batch(index: int) -> Batch:
        part = slice(index * batch_size, (index + 1) * batch_size)
        return images[part], labels[part]

    return _pipeline(batch, -(-len(labels) // batch_size))


def _pipeline(batch: Callable[[int], Batch], count: int) -> tf.data.Dataset:
    def batches() -> Iterator[Batch]:
        return (batch(index) for index in range(count))

    signature = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in batch(0))
    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    counted = dataset.apply(tf.data.experimental.assert_cardinality(count))
    return counted.prefetch(AHEAD).with_options(options)
