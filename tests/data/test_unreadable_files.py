from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sweep.data.loading import load
from sweep.data.preparation import prepare
from sweep.errors import DataError
from sweep.space.config import DataConfig

Draw = Callable[..., Path]


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


def test_the_split_is_that_of_a_folder_without_them(damaged: Path, cache: Path, tmp_path: Path) -> None:
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


def test_the_digest_tells_what_was_skipped(damaged: Path, cache: Path, tmp_path: Path) -> None:
    with_skipped = prepare(skipping(damaged), cache).digest
    shutil.copytree(damaged, tmp_path / "healthy")
    for name in ("cat/3.png", "dog/7.png"):
        (tmp_path / "healthy" / name).unlink()
    without = prepare(DataConfig(name=str(tmp_path / "healthy")), cache)
    assert with_skipped != without.digest
    assert prepare(skipping(tmp_path / "healthy"), cache).digest == without.digest


def test_what_was_made_by_skipping_never_passes_for_a_whole_folder(damaged: Path, cache: Path) -> None:
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
        ("cat/*", "training part of `.*` after 10 unreadable files were skipped: .* `cat` has 0"),
        ("dog/[0-8].png", "after 9 unreadable files were skipped: .* `dog` has 1"),
    ],
)
def test_a_class_of_which_too_little_is_left_is_named(
    flat_folder: Path, cache: Path, broken: str, message: str
) -> None:
    for path in flat_folder.glob(broken):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=message):
        prepare(skipping(flat_folder), cache)


def test_a_test_part_of_which_nothing_is_left_is_an_error(parted_folder: Path, cache: Path) -> None:
    for path in parted_folder.glob("test/*/*"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"test part of `.*` after 2 unreadable files were skipped: no image is left"):
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
