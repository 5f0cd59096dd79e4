from __future__ import annotations

import numpy as np
import pytest

from sweep.data.cache import Prepared
from sweep.data.loading import load
from sweep.data.preparation import prepare
from sweep.data.resplit import Split, load_split, load_whole
from sweep.errors import DataError
from sweep.space.config import DataConfig

DIGITS = DataConfig(name="digits", limit=200, validation=0.2)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(DIGITS, tmp_path_factory.mktemp("cache"))


def pool(prepared: Prepared) -> list[int]:
    """Positions of all images that the search sees."""
    dataset = load(prepared, DIGITS)
    return sorted([*dataset.train.index.tolist(), *dataset.validation.index.tolist()])


def test_a_fresh_split_divides_the_same_images_otherwise(prepared: Prepared) -> None:
    first, again, other = (load_split(prepared, DIGITS, Split(seed)) for seed in (1, 1, 2))

    assert (len(first.train), len(first.validation)) == (160, 40)
    assert sorted([*first.train.index, *first.validation.index]) == pool(prepared)
    assert first.stamp == again.stamp
    assert len({first.stamp.split, other.stamp.split, load(prepared, DIGITS).stamp.split}) == 3
    assert first.stamp.digest == load(prepared, DIGITS).stamp.digest


def test_folds_hold_out_every_image_once_and_every_class_in_each(prepared: Prepared) -> None:
    parts = [load_split(prepared, DIGITS, Split(3, folds=5, fold=fold)) for fold in range(5)]

    held = np.concatenate([part.validation.index for part in parts])
    assert sorted(held.tolist()) == pool(prepared)
    for part in parts:
        assert set(part.train.index) & set(part.validation.index) == set()
        assert np.bincount(part.validation.labels, minlength=10).min() >= 3


def test_another_seed_deals_the_images_out_to_other_folds(prepared: Prepared) -> None:
    first, again, other = (load_split(prepared, DIGITS, Split(seed, folds=5)) for seed in (1, 1, 2))

    assert first.stamp.split == again.stamp.split != other.stamp.split


def test_more_folds_than_images_of_a_class_are_refused(prepared: Prepared) -> None:
    with pytest.raises(DataError, match=r"30 folds want 30 images of every class, but `\d` has \d+; ask for fewer"):
        load_split(prepared, DIGITS, Split(0, folds=30))


def test_the_whole_is_training_and_validation_together_without_the_test_part(prepared: Prepared) -> None:
    whole = load_whole(prepared, DIGITS)

    assert whole.train.index.tolist() == pool(prepared)
    assert len(whole.validation) == 0
    assert whole.stamp.validation == 0
    assert (prepared.train, prepared.test) == (1617, 180)
    assert whole.train.images.shape[0] == 1617


def test_channel_statistics_are_those_of_the_new_training_part(prepared: Prepared) -> None:
    part = load_split(prepared, DIGITS, Split(7))

    pixels = part.train.all_images().astype(np.float64) / 255
    assert part.channel_mean[0] == pytest.approx(pixels.mean(), abs=1e-12)
    assert part.channel_std[0] == pytest.approx(pixels.std(), abs=1e-12)
