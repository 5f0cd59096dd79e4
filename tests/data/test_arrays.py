from __future__ import annotations

import numpy as np
import pytest

from sweep.data.arrays import contents_of_arrays
from sweep.data.contents import Contents
from sweep.records.array_types import UInt8Array
from sweep.space.config import DataConfig

IMAGES = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4)
LABELS = np.array([0, 1, 1])


def contents(config: DataConfig) -> Contents:
    return contents_of_arrays(config, ("a", "b"), (IMAGES, LABELS), None)


def read(opened: Contents, positions: list[int]) -> UInt8Array:
    out = np.zeros((len(positions), *opened.shape), dtype=np.uint8)
    opened.train.read(np.array(positions), out, lambda _count: None)
    return out


def test_images_without_channels_get_one() -> None:
    assert contents(DataConfig()).shape == (4, 4, 1)


def test_only_the_images_asked_for_are_read_in_that_order() -> None:
    assert read(contents(DataConfig()), [2, 0])[:, 0, 0, 0].tolist() == [32, 0]


@pytest.mark.parametrize(("channels", "depth"), [(None, 1), ("grey", 1), ("rgb", 3)])
def test_channels_and_size_of_the_configuration_decide_the_shape(channels: None, depth: int) -> None:
    opened = contents(DataConfig(image_size=8, channels=channels))
    assert opened.shape == (8, 8, depth)
    assert read(opened, [1]).shape == (1, 8, 8, depth)


def test_a_source_without_test_images_has_no_test_part() -> None:
    assert contents(DataConfig()).test is None
