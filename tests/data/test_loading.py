from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sweep.data.cache import Prepared
from sweep.data.loading import Split, channel_statistics, load, load_split, load_whole
from sweep.data.preparation import channel_sums, prepare
from sweep.errors import DataError
from sweep.space.config import DataConfig

DIGITS = DataConfig(name="digits")
LIMITED = DataConfig(name="digits", limit=200, validation=0.2)


def test_the_validation_images_are_a_stratified_share(cache: Path) -> None:
    dataset = load(prepare(DIGITS, cache), DIGITS)
    assert (len(dataset.train), len(dataset.validation)) == (1455, 162)
    assert np.bincount(dataset.validation.labels).tolist() == [16, 16, 16, 17, 16, 17, 16, 16, 16, 16]


def test_training_and_validation_share_no_image(cache: Path) -> None:
    dataset = load(prepare(DIGITS, cache), DIGITS)
    assert sorted([*dataset.train.index.tolist(), *dataset.validation.index.tolist()]) == list(range(1617))


@pytest.mark.parametrize("limit", [None, 10])
def test_labels_belong_to_their_images(flat_folder: Path, cache: Path, limit: int | None) -> None:
    config = DataConfig(name=str(flat_folder), validation=0.4, limit=limit)
    dataset = load(prepare(config, cache), config)
    for part in (dataset.train, dataset.validation):
        assert (part.all_images()[:, 0, 0, 0] >= 100).tolist() == (part.labels == 1).tolist()


def test_a_limit_is_exact_and_counts_before_the_split(cache: Path) -> None:
    config = DataConfig(name="digits", limit=333, validation=0.2)
    dataset = load(prepare(config, cache), config)
    assert (dataset.stamp.train, dataset.stamp.validation) == (266, 67)


def test_a_limit_above_the_number_of_images_takes_all(cache: Path) -> None:
    config = DataConfig(name="digits", limit=5000)
    assert load(prepare(config, cache), config).stamp == load(prepare(DIGITS, cache), DIGITS).stamp


def test_a_limit_that_starves_a_class_is_refused(cache: Path) -> None:
    config = DataConfig(name="digits", limit=15, validation=0.5)
    with pytest.raises(DataError, match="`digits` after `limit: 15`: every class needs at least 2 images, but `"):
        load(prepare(config, cache), config)


def test_a_limit_too_small_for_the_validation_share_is_refused(cache: Path) -> None:
    config = DataConfig(name="digits", limit=50)
    with pytest.raises(DataError, match=r"`validation: 0\.1` holds out 5 of 50 images, with 10 classes"):
        load(prepare(config, cache), config)


def test_the_stamp_says_which_images_were_seen(cache: Path) -> None:
    prepared = prepare(DIGITS, cache)
    stamp = load(prepared, DIGITS).stamp
    assert stamp.digest == prepared.digest
    assert stamp.split == "a5c29c8bc4213e66beb09748df385621e97e8fb0f663f73fa1cdad767e0c5092"
    assert (stamp.shape, stamp.classes) == ((8, 8, 1), tuple("0123456789"))


def test_another_seed_gives_another_split_of_the_same_images(parted_folder: Path, cache: Path) -> None:
    stamps = []
    for seed in (0, 2):
        config = DataConfig(name=str(parted_folder), validation=0.5, split_seed=seed)
        stamps.append(load(prepare(config, cache), config).stamp)
    assert stamps[0].digest == stamps[1].digest
    assert stamps[0].split != stamps[1].split


def test_loading_never_touches_the_test_files(flat_folder: Path, cache: Path) -> None:
    config = DataConfig(name=str(flat_folder), validation=0.3)
    prepared = prepare(config, cache)
    for file in ("test_images.npy", "test_labels.npy"):
        (Path(prepared.folder) / file).unlink()
    assert len(load(prepared, config).train) == 12


def test_the_images_are_a_read_only_view_of_the_cache(flat_folder: Path, cache: Path) -> None:
    config = DataConfig(name=str(flat_folder), validation=0.3)
    dataset = load(prepare(config, cache), config)
    assert dataset.train.images is dataset.validation.images
    assert not dataset.train.images.flags.writeable
    assert not dataset.train.images.flags.owndata


def test_mean_and_deviation_are_computed_from_the_training_images_alone(flat_folder: Path, cache: Path) -> None:
    config = DataConfig(name=str(flat_folder), validation=0.3)
    dataset = load(prepare(config, cache), config)
    pixels = dataset.train.all_images() / 255
    assert dataset.channel_mean == pytest.approx(pixels.mean(axis=(0, 1, 2)), abs=1e-12)
    assert dataset.channel_std == pytest.approx(pixels.std(axis=(0, 1, 2)), abs=1e-12)


def test_black_and_white_pixels_have_mean_and_deviation_one_half() -> None:
    images = np.array([0, 255, 255, 0], dtype=np.uint8).reshape(1, 2, 2, 1)
    assert channel_statistics(channel_sums(images), (2, 2, 1)) == ((0.5,), (0.5,))


def test_a_missing_cache_is_a_data_error(flat_folder: Path, cache: Path) -> None:
    config = DataConfig(name=str(flat_folder))
    prepared = prepare(config, cache)
    (Path(prepared.folder) / "train_images.npy").unlink()
    with pytest.raises(DataError, match=r"are missing or damaged: .* run the same command again to decode them"):
        load(prepared, config)


def test_a_cache_of_another_shape_is_a_data_error(flat_folder: Path, cache: Path) -> None:
    config = DataConfig(name=str(flat_folder))
    prepared = prepare(config, cache)
    np.save(Path(prepared.folder) / "train_images.npy", np.zeros((3, 6, 6, 3), dtype=np.uint8))
    with pytest.raises(DataError, match=r"images of the shape \(3, 6, 6, 3\) instead of \(18, 6, 6, 3\)"):
        load(prepared, config)


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(LIMITED, tmp_path_factory.mktemp("cache"))


def pool(limited: Prepared) -> list[int]:
    """Positions of all images that the search sees."""
    dataset = load(limited, LIMITED)
    return sorted([*dataset.train.index.tolist(), *dataset.validation.index.tolist()])


def test_a_fresh_split_divides_the_same_images_differently(limited: Prepared) -> None:
    first, again, other = (load_split(limited, LIMITED, Split(seed)) for seed in (1, 1, 2))

    assert (len(first.train), len(first.validation)) == (160, 40)
    assert sorted([*first.train.index, *first.validation.index]) == pool(limited)
    assert first.stamp == again.stamp
    assert len({first.stamp.split, other.stamp.split, load(limited, LIMITED).stamp.split}) == 3
    assert first.stamp.digest == load(limited, LIMITED).stamp.digest


def test_folds_hold_out_every_image_once_and_every_class_in_each(limited: Prepared) -> None:
    parts = [load_split(limited, LIMITED, Split(3, folds=5, fold=fold)) for fold in range(5)]

    held = np.concatenate([part.validation.index for part in parts])
    assert sorted(held.tolist()) == pool(limited)
    for part in parts:
        assert set(part.train.index) & set(part.validation.index) == set()
        assert np.bincount(part.validation.labels, minlength=10).min() >= 3


def test_another_seed_deals_the_images_out_to_other_folds(limited: Prepared) -> None:
    first, again, other = (load_split(limited, LIMITED, Split(seed, folds=5)) for seed in (1, 1, 2))

    assert first.stamp.split == again.stamp.split != other.stamp.split


def test_more_folds_than_images_of_a_class_are_refused(limited: Prepared) -> None:
    with pytest.raises(DataError, match=r"30 folds need 30 images of every class, but `\d` has \d+; use fewer folds"):
        load_split(limited, LIMITED, Split(0, folds=30))


def test_the_whole_set_is_training_and_validation_together_without_the_test_part(limited: Prepared) -> None:
    whole = load_whole(limited, LIMITED)

    assert whole.train.index.tolist() == pool(limited)
    assert len(whole.validation) == 0
    assert whole.stamp.validation == 0
    assert (limited.train, limited.test) == (1617, 180)
    assert whole.train.images.shape[0] == 1617


def test_channel_statistics_are_computed_from_the_new_training_part(limited: Prepared) -> None:
    part = load_split(limited, LIMITED, Split(7))

    pixels = part.train.all_images().astype(np.float64) / 255
    assert part.channel_mean[0] == pytest.approx(pixels.mean(), abs=1e-12)
    assert part.channel_std[0] == pytest.approx(pixels.std(), abs=1e-12)
