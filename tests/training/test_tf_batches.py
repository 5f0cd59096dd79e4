"""What Keras receives."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from sweep.data.dataset import Dataset
from sweep.training.tf_batches import Batches, training_pipeline, validation_pipeline, validation_pipeline_of_arrays


class Numbers(keras.utils.PyDataset):  # type: ignore[misc]  # Keras has no types
    """Batches of two numbers, which may change from epoch to epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = np.arange(5, dtype=np.float32)

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        part = self.numbers[2 * index : 2 * index + 2]
        return part, -part


def listed(dataset: tf.data.Dataset) -> list[tuple[list[float], list[float]]]:
    return [(x.numpy().tolist(), y.numpy().tolist()) for x, y in dataset]


def test_the_batches_come_in_their_order() -> None:
    assert listed(training_pipeline(Numbers())) == [([0, 1], [0, -1]), ([2, 3], [-2, -3]), ([4], [-4])]


def test_each_epoch_has_the_batches_of_its_start() -> None:
    numbers = Numbers()
    dataset = training_pipeline(numbers)
    first = listed(dataset)
    numbers.numbers = numbers.numbers[::-1]

    assert listed(dataset) == [([4, 3], [-4, -3]), ([2, 1], [-2, -1]), ([0], [0])]
    assert first == [([0, 1], [0, -1]), ([2, 3], [-2, -3]), ([4], [-4])]


def test_weights_are_the_third_element(digits: Dataset) -> None:
    weights = np.arange(10, dtype=np.float32)
    images, labels, given = next(iter(training_pipeline(Batches(digits.train, 10, 16, seed=1, weights=weights))))

    assert (images.dtype, images.shape) == (tf.uint8, (16, *digits.shape))
    assert given.numpy().tolist() == labels.numpy().argmax(axis=1).tolist()


def test_validation_images_come_in_the_order_of_their_part(digits: Dataset) -> None:
    images, labels = (
        np.concatenate(arrays) for arrays in zip(*validation_pipeline(digits).as_numpy_iterator(), strict=True)
    )

    assert np.array_equal(images, digits.validation.all_images())
    assert labels.argmax(axis=1).tolist() == digits.validation.labels.tolist()


def test_arrays_are_cut_into_batches_of_256() -> None:
    images, labels = np.arange(300, dtype=np.float32), np.arange(300)
    batches = listed(validation_pipeline_of_arrays(images, labels))

    assert [len(labels) for _, labels in batches] == [256, 44]
    assert batches[1][0][0] == 256.0


def test_the_number_of_batches_is_known_in_advance() -> None:
    assert int(training_pipeline(Numbers()).cardinality()) == 3


def test_the_pipelines_have_no_autotuning_that_an_epoch_would_wait_for() -> None:
    assert training_pipeline(Numbers()).options().autotune.enabled is False
    assert validation_pipeline_of_arrays(np.zeros((3, 1)), np.zeros(3)).options().autotune.enabled is False
