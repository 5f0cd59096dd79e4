from __future__ import annotations

import dataclasses

import numpy as np

from sweep.data.dataset import Dataset, Part

IMAGES = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
PART = Part(IMAGES, np.array([2, 5, 7]), np.array([0, 1, 1]))


def test_a_part_has_as_many_images_as_positions() -> None:
    assert len(PART) == 3


def test_a_batch_counts_within_the_part_and_keeps_the_order() -> None:
    assert PART.batch(np.array([2, 0])).tolist() == [[[[7]]], [[[2]]]]


def test_all_images_are_those_of_the_part() -> None:
    assert PART.all_images().ravel().tolist() == [2, 5, 7]


def test_a_batch_is_a_copy() -> None:
    PART.batch(np.array([0]))[:] = 99
    assert IMAGES.ravel().tolist() == list(range(10))


def test_a_data_set_has_no_test_part() -> None:
    assert [field.name for field in dataclasses.fields(Dataset)] == [
        "train",
        "validation",
        "classes",
        "shape",
        "stamp",
        "channel_mean",
        "channel_std",
    ]
