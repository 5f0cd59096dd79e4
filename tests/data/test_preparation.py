from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from sweep.data.loading import load
from sweep.data.preparation import channel_sums, prepare, training_digest
from sweep.data.sealed_test_part import open_test
from sweep.errors import DataError
from sweep.space.config import DataConfig

Draw = Callable[..., Path]


def folders(cache: Path) -> list[str]:
    return sorted(folder.name for folder in cache.iterdir())


def test_the_digits_have_this_digest(cache: Path) -> None:
    prepared = prepare(DataConfig(name="digits"), cache)
    assert (prepared.train, prepared.test, prepared.shape) == (1617, 180, (8, 8, 1))
    assert prepared.classes == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    assert prepared.digest == "3ac0965846938bff3830cc566078374b7b41b5aee293c98144d5a19fc34e7f7a"


def test_a_folder_with_a_test_part_keeps_it(parted_folder: Path, cache: Path) -> None:
    prepared = prepare(DataConfig(name=str(parted_folder)), cache)
    assert (prepared.train, prepared.test) == (8, 2)
    images, labels = open_test(prepared)
    assert images[:, 0, 0, 0].tolist() == [200, 210]
    assert labels.tolist() == [0, 1]


def test_a_folder_without_a_test_part_gets_a_stratified_one(flat_folder: Path, cache: Path) -> None:
    prepared = prepare(DataConfig(name=str(flat_folder), test=0.3), cache)
    _, labels = open_test(prepared)
    assert (prepared.train, prepared.test) == (14, 6)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_training_and_test_part_share_no_image(flat_folder: Path, cache: Path) -> None:
    prepared = prepare(DataConfig(name=str(flat_folder), test=0.3), cache)
    sealed = open_test(prepared)[0][:, 0, 0, 0].tolist()
    open_ones = np.load(Path(prepared.folder) / "train_images.npy")[:, 0, 0, 0].tolist()
    assert sorted(sealed + open_ones) == [*range(10), *range(100, 110)]


def test_progress_counts_up_to_all_images(parted_folder: Path, cache: Path) -> None:
    calls: list[tuple[int, int]] = []
    prepare(DataConfig(name=str(parted_folder)), cache, lambda done, total: calls.append((done, total)))
    assert calls == [(8, 10), (10, 10)]


def test_the_second_call_decodes_nothing(flat_folder: Path, cache: Path) -> None:
    first = prepare(DataConfig(name=str(flat_folder)), cache)
    calls: list[tuple[int, int]] = []
    second = prepare(DataConfig(name=str(flat_folder)), cache, lambda done, total: calls.append((done, total)))
    assert second == first
    assert calls == []


def test_a_changed_file_is_decoded_again(flat_folder: Path, cache: Path, draw: Draw) -> None:
    config = DataConfig(name=str(flat_folder), test=0.5)
    before = prepare(config, cache)
    for name in ("cat", "dog"):
        for number in range(10):
            draw(flat_folder / name / f"{number}.png", 77)
    after = prepare(config, cache)
    assert after.folder != before.folder
    assert after.digest != before.digest


@pytest.mark.parametrize(
    "other",
    [{"image_size": 8}, {"channels": "grey"}, {"test": 0.2}, {"split_seed": 1}],
)
def test_what_changes_the_images_gets_its_own_folder(flat_folder: Path, cache: Path, other: dict[str, float]) -> None:
    plain = prepare(DataConfig(name=str(flat_folder)), cache)
    changed = prepare(DataConfig(name=str(flat_folder), **other), cache)  # type: ignore[arg-type]
    assert changed.folder != plain.folder


def test_limit_and_validation_share_the_folder(flat_folder: Path, cache: Path) -> None:
    plain = prepare(DataConfig(name=str(flat_folder)), cache)
    assert prepare(DataConfig(name=str(flat_folder), limit=10, validation=0.5), cache) == plain


def test_the_split_seed_does_not_matter_for_a_given_test_part(parted_folder: Path, cache: Path) -> None:
    plain = prepare(DataConfig(name=str(parted_folder)), cache)
    assert prepare(DataConfig(name=str(parted_folder), split_seed=5, test=0.4), cache) == plain


def test_the_digest_depends_on_neither_place_nor_time(flat_folder: Path, cache: Path, tmp_path: Path) -> None:
    first = prepare(DataConfig(name=str(flat_folder)), cache)
    moved = tmp_path / "elsewhere"
    shutil.copytree(flat_folder, moved)
    for image in moved.glob("*/*"):
        os.utime(image, (1, 1))
    second = prepare(DataConfig(name=str(moved)), cache)
    assert second.folder != first.folder
    assert second.digest == first.digest


def test_the_digest_covers_pixels_labels_names_and_shape() -> None:
    images, labels = np.zeros((4, 2, 3, 1), dtype=np.uint8), np.array([0, 0, 1, 1])
    brighter = images.copy()
    brighter[3, 1, 2, 0] = 1
    digests = {
        training_digest(images, labels, ("a", "b")),
        training_digest(brighter, labels, ("a", "b")),
        training_digest(images, labels[::-1], ("a", "b")),
        training_digest(images, labels, ("a", "c")),
        training_digest(images.reshape(4, 3, 2, 1), labels, ("a", "b")),
    }
    assert len(digests) == 5


def test_the_sums_are_per_image_and_channel() -> None:
    images = np.array([[[[1, 2, 3], [4, 5, 255]]], [[[0, 0, 0], [0, 0, 255]]]], dtype=np.uint8)
    assert channel_sums(images).tolist() == [[[5, 7, 258], [17, 29, 65034]], [[0, 0, 255], [0, 0, 65025]]]


@pytest.mark.parametrize("damage", ["no meta", "torn meta", "other format", "short array", "no array"])
def test_a_damaged_folder_is_replaced(flat_folder: Path, cache: Path, damage: str) -> None:
    first = prepare(DataConfig(name=str(flat_folder)), cache)
    folder = Path(first.folder)
    meta, images = folder / "meta.json", folder / "train_images.npy"
    if damage == "no meta":
        meta.unlink()
    elif damage == "torn meta":
        meta.write_text(meta.read_text()[:50])
    elif damage == "other format":
        meta.write_text(meta.read_text().replace('"format": 2', '"format": 1'))
    elif damage == "short array":
        images.write_bytes(images.read_bytes()[:-1])
    else:
        images.unlink()
    calls: list[tuple[int, int]] = []
    again = prepare(DataConfig(name=str(flat_folder)), cache, lambda done, total: calls.append((done, total)))
    assert again == first
    assert calls[-1] == (20, 20)
    assert len(load(again, DataConfig(name=str(flat_folder), validation=0.3)).train) == 12


def test_the_leftovers_of_a_killed_process_are_never_used_and_are_removed_after_a_day(
    flat_folder: Path, cache: Path
) -> None:
    first = prepare(DataConfig(name=str(flat_folder)), cache)
    for name, age in ((".writing-old", 1e6), (".writing-new", 0.0)):
        (cache / name).mkdir()
        (cache / name / "train_images.npy").write_bytes(b"half")
        os.utime(cache / name, (os.stat(cache).st_mtime - age,) * 2)
    prepare(DataConfig(name=str(flat_folder), image_size=8), cache)
    assert Path(first.folder).name in folders(cache)
    assert [name for name in folders(cache) if name.startswith(".")] == [".writing-new"]


def test_a_failure_leaves_no_files(flat_folder: Path, cache: Path) -> None:
    (flat_folder / "cat" / "0.png").write_text("no image")
    with pytest.raises(DataError, match=r"1 of 18 image files cannot be read|1 of 2 image files cannot be read"):
        prepare(DataConfig(name=str(flat_folder)), cache)
    assert folders(cache) == []


def test_processes_that_prepare_at_once_agree_on_one_folder(flat_folder: Path, cache: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: prepare(DataConfig(name=str(flat_folder)), cache), range(4)))
    assert len(set(results)) == 1
    assert folders(cache) == [Path(results[0].folder).name]


def test_the_result_can_be_sent_to_another_process(flat_folder: Path, cache: Path) -> None:
    prepared = prepare(DataConfig(name=str(flat_folder)), cache)
    assert pickle.loads(pickle.dumps(prepared)) == prepared
    assert len(pickle.dumps(prepared)) < 1000


def test_a_cache_that_cannot_be_written_is_a_data_error(flat_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cache `.*file`: cannot be written: .* choose another"):
        prepare(DataConfig(name=str(flat_folder)), tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cat", r"a classifier needs at least 2 classes, received only cat"),
        ("owl", "every class needs at least 2 images, but `owl` has 0"),
    ],
)
def test_too_few_classes_or_images_are_named(flat_folder: Path, cache: Path, name: str, message: str) -> None:
    if name == "cat":
        shutil.rmtree(flat_folder / "dog")
    else:
        (flat_folder / "owl").mkdir()
    with pytest.raises(DataError, match=message):
        prepare(DataConfig(name=str(flat_folder)), cache)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif("SWEEP_CIFAR10_DIR" not in os.environ, reason="SWEEP_CIFAR10_DIR names no directory")
def test_cifar10_as_jpeg_files_is_prepared_and_split(cache: Path) -> None:
    config = DataConfig(name=os.environ["SWEEP_CIFAR10_DIR"], image_size=32)
    prepared = prepare(config, cache)
    assert (prepared.train, prepared.test, prepared.shape) == (50_000, 10_000, (32, 32, 3))
    dataset = load(prepared, config)
    assert np.bincount(dataset.validation.labels).tolist() == [500] * 10


@pytest.fixture
def damaged(flat_folder: Path) -> Path:
    (flat_folder / "cat" / "3.png").write_bytes(b"")
    whole = (flat_folder / "dog" / "7.png").read_bytes()
    (flat_folder / "dog" / "7.png").write_bytes(whole[: len(whole) // 2])
    return flat_folder


def skipping(root: Path, **settings: float) -> DataConfig:
    return DataConfig(name=str(root), on_unreadable="skip", **settings)  # type: ignore[arg-type]


def test_unreadable_files_are_left_out_and_counted(damaged: Path, cache: Path) -> None:
    config = skipping(damaged, test=0.25)
    prepared = prepare(config, cache)
    stamp = load(prepared, config).stamp
    assert (prepared.train, prepared.test, prepared.skipped) == (13, 5, 2)
    assert (stamp.train, stamp.validation, stamp.skipped) == (11, 2, 2)


def test_the_split_is_the_same_as_in_a_folder_without_them(damaged: Path, cache: Path, tmp_path: Path) -> None:
    healthy = tmp_path / "healthy"
    shutil.copytree(damaged, healthy, ignore=shutil.ignore_patterns("3.png", "7.png"))
    for number in ("cat/7.png", "dog/3.png"):
        shutil.copy(damaged / number, healthy / number)
    parts = []
    for root in (damaged, healthy):
        prepared = prepare(skipping(root, test=0.25), cache)
        parts.append([np.load(Path(prepared.folder) / f"{part}_images.npy") for part in ("train", "test")])
    assert np.array_equal(parts[0][0], parts[1][0])
    assert np.array_equal(parts[0][1], parts[1][1])


def test_the_digest_covers_the_skipped_files(damaged: Path, cache: Path, tmp_path: Path) -> None:
    with_skipped = prepare(skipping(damaged), cache).digest
    shutil.copytree(damaged, tmp_path / "healthy")
    for name in ("cat/3.png", "dog/7.png"):
        (tmp_path / "healthy" / name).unlink()
    without = prepare(DataConfig(name=str(tmp_path / "healthy")), cache)
    assert with_skipped != without.digest
    assert prepare(skipping(tmp_path / "healthy"), cache).digest == without.digest


def test_a_cache_with_skipped_files_is_not_used_for_the_whole_folder(damaged: Path, cache: Path) -> None:
    prepare(skipping(damaged), cache)
    with pytest.raises(DataError, match="image files cannot be read"):
        prepare(DataConfig(name=str(damaged)), cache)


def test_unreadable_files_of_a_given_test_part_are_left_out_too(parted_folder: Path, cache: Path, draw: Draw) -> None:
    draw(parted_folder / "test" / "cat" / "1.png", 7)
    (parted_folder / "test" / "cat" / "0.png").write_text("no image")
    prepared = prepare(skipping(parted_folder), cache)
    assert (prepared.train, prepared.test, prepared.skipped) == (8, 2, 1)
    assert np.load(Path(prepared.folder) / "test_images.npy")[:, 0, 0, 0].tolist() == [7, 210]


def test_progress_counts_every_file_once(damaged: Path, cache: Path) -> None:
    calls: list[tuple[int, int]] = []
    prepare(skipping(damaged), cache, lambda done, total: calls.append((done, total)))
    assert calls[-1] == (20, 20)
    assert [path.name for path in cache.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("cat/*", r"training set of `.*` \(unreadable files skipped: 10\): .* `cat` has 0"),
        ("dog/[0-8].png", r"\(unreadable files skipped: 9\): .* `dog` has 1"),
    ],
)
def test_a_class_with_too_few_readable_files_is_named(
    flat_folder: Path, cache: Path, broken: str, message: str
) -> None:
    for path in flat_folder.glob(broken):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=message):
        prepare(skipping(flat_folder), cache)


def test_a_test_part_without_readable_files_is_an_error(parted_folder: Path, cache: Path) -> None:
    for path in parted_folder.glob("test/*/*"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"test set of `.*` \(unreadable files skipped: 2\): no image is left"):
        prepare(skipping(parted_folder), cache)


def test_sets_without_files_have_nothing_to_skip(cache: Path) -> None:
    calls: list[tuple[int, int]] = []
    config = DataConfig(name="digits", on_unreadable="skip")
    prepared = prepare(config, cache, lambda done, total: calls.append((done, total)))
    assert prepared.digest == "3ac0965846938bff3830cc566078374b7b41b5aee293c98144d5a19fc34e7f7a"
    assert (prepared.skipped, calls[-1]) == (0, (1797, 1797))


def test_the_digest_does_not_depend_on_when_and_in_which_order_files_were_written(tmp_path: Path, draw: Draw) -> None:
    names = [(name, number) for name in ("cat", "dog") for number in range(12)]
    digests = set()
    for run, order in enumerate((names, names[::-1], sorted(names, key=lambda item: item[1] * 5 % 12))):
        root = tmp_path / str(run)
        for time, (name, number) in enumerate(order):
            path = draw(root / name / f"{number}.png", number * 10)
            os.utime(path, (time + run * 1000, time + run * 1000))
        digests.add(prepare(DataConfig(name=str(root), image_size=8), tmp_path / f"cache{run}").digest)
    assert len(digests) == 1
