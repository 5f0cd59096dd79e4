from __future__ import annotations

import os
from pathlib import Path

import pytest

from sweep.data.folder import fingerprint, list_folder
from sweep.errors import DataError


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return root


def test_class_folders_are_classes_sorted_by_name(tmp_path: Path) -> None:
    listing = list_folder(touch(tmp_path, "dog/1.png", "cat/2.png", "cat/1.png"))
    assert listing.classes == ("cat", "dog")
    assert [(file.path, file.label) for file in listing.train] == [("cat/1.png", 0), ("cat/2.png", 0), ("dog/1.png", 1)]
    assert listing.test is None


def test_train_and_test_folders_are_the_two_parts(tmp_path: Path) -> None:
    listing = list_folder(touch(tmp_path, "train/cat/1.png", "train/dog/1.png", "test/dog/7.png"))
    assert [file.path for file in listing.train] == ["train/cat/1.png", "train/dog/1.png"]
    assert listing.test is not None
    assert [(file.path, file.label) for file in listing.test] == [("test/dog/7.png", 1)]


def test_train_alone_leaves_the_test_part_to_be_split_off(tmp_path: Path) -> None:
    assert list_folder(touch(tmp_path, "train/cat/1.png", "train/dog/1.png")).test is None


def test_a_folder_of_images_called_train_is_a_class(tmp_path: Path) -> None:
    assert list_folder(touch(tmp_path, "tractor/1.png", "train/1.png")).classes == ("tractor", "train")


def test_suffixes_are_case_insensitive_and_other_files_are_skipped(tmp_path: Path) -> None:
    names = ("a.PNG", "b.Jpg", "c.jpeg", "d.webp", "e.bmp", "f.gif", ".g.png", "notes.txt", "h.tiff")
    listing = list_folder(touch(tmp_path, *(f"cat/{name}" for name in names), ".hidden/1.png"))
    assert [file.path for file in listing.train] == [f"cat/{name}" for name in names[:6]]
    assert listing.classes == ("cat",)


def test_folders_below_a_class_belong_to_it(tmp_path: Path) -> None:
    listing = list_folder(touch(tmp_path, "cat/2.png", "cat/kittens/1.png"))
    assert [file.path for file in listing.train] == ["cat/2.png", "cat/kittens/1.png"]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (("readme.txt", "1.png"), "holds no class folders; expected .*/<class>/<image>, one folder per class"),
        (("test/cat/1.png",), "holds `test/` but no `train/`"),
        (("train/cat/1.png", "val/cat/1.png"), "holds `val/` next to `train/`, but `val/` is not read; name it"),
        (("train/cat/1.png", "test/bird/1.png"), "holds the class `test/bird/` but no `train/bird/`"),
        (("train/cat/1.png", "test/cat/x.txt"), "holds no images in `test/`; remove `test/`"),
    ],
)
def test_another_layout_is_an_error_with_advice(tmp_path: Path, paths: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        list_folder(touch(tmp_path, *paths))


def test_the_fingerprint_is_the_same_for_the_same_files(tmp_path: Path) -> None:
    touch(tmp_path, "cat/1.png", "dog/1.png")
    assert fingerprint(list_folder(tmp_path)) == fingerprint(list_folder(tmp_path))


@pytest.mark.parametrize("change", ["add", "time", "size", "rename", "class", "test"])
def test_the_fingerprint_changes_with_every_change_of_a_file(tmp_path: Path, change: str) -> None:
    touch(tmp_path, "train/cat/1.png", "train/dog/1.png", "test/cat/1.png")
    before = fingerprint(list_folder(tmp_path))
    image = tmp_path / "train/cat/1.png"
    stat = image.stat()
    if change == "add":
        touch(tmp_path, "train/cat/2.png")
    elif change == "time":
        os.utime(image, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    elif change == "size":
        image.write_bytes(b"xy")
        os.utime(image, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif change == "rename":
        image.rename(tmp_path / "train/cat/9.png")
    elif change == "class":
        (tmp_path / "train/empty").mkdir()
    else:
        touch(tmp_path, "test/dog/1.png")
    assert fingerprint(list_folder(tmp_path)) != before


def test_two_folders_with_the_same_names_sizes_and_times_have_different_fingerprints(tmp_path: Path) -> None:
    roots = [touch(tmp_path / name, "cat/1.png", "dog/1.png") for name in "ab"]
    for root in roots:
        for image in root.glob("*/*"):
            os.utime(image, ns=(0, 0))
    assert fingerprint(list_folder(roots[0])) != fingerprint(list_folder(roots[1]))
