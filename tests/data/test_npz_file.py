from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.data.contents import Contents
from sweep.data.npz_file import npz_source
from sweep.errors import DataError
from sweep.space.config import DataConfig

Write = Callable[..., Path]
IMAGES = np.arange(4 * 5 * 5, dtype=np.uint8).reshape(4, 5, 5)
LABELS = np.array([0, 0, 1, 1])


def opened(path: Path) -> Contents:
    return npz_source(path, DataConfig(name=str(path))).open()


def first_pixels(contents: Contents) -> list[int]:
    out = np.zeros((4, *contents.shape), dtype=np.uint8)
    contents.train.read(np.arange(4), out, lambda _count: None)
    return [int(pixel) for pixel in out[:, 0, 1, 0]]


@pytest.mark.parametrize("keys", [("x_train", "y_train"), ("x", "y"), ("images", "labels")])
def test_three_pairs_of_keys_are_accepted(write_npz: Write, keys: tuple[str, str]) -> None:
    contents = opened(write_npz(**{keys[0]: IMAGES, keys[1]: LABELS}))
    assert contents.shape == (5, 5, 1)
    assert contents.classes == ("0", "1")
    assert contents.train.labels.tolist() == [0, 0, 1, 1]
    assert contents.test is None
    assert first_pixels(contents) == [1, 26, 51, 76]


def test_a_given_test_part_is_used(write_npz: Write) -> None:
    contents = opened(write_npz(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:1], y_test=LABELS[:1]))
    assert contents.test is not None
    assert contents.test.labels.tolist() == [0]


def test_labels_may_be_a_column(write_npz: Write) -> None:
    assert opened(write_npz(x=IMAGES, y=LABELS[:, np.newaxis])).train.labels.tolist() == [0, 0, 1, 1]


def test_classes_are_named_by_their_array(write_npz: Write) -> None:
    assert opened(write_npz(x=IMAGES, y=LABELS, classes=np.array(["cat", "dog"]))).classes == ("cat", "dog")


def test_floats_up_to_one_are_multiplied_by_255(write_npz: Write) -> None:
    images = np.zeros((4, 5, 5), dtype=np.float32)
    images[:, 0, 1] = [0.0, 0.5, 0.25, 1.0]
    assert first_pixels(opened(write_npz(x=images, y=LABELS))) == [0, 128, 64, 255]


def test_floats_up_to_255_are_rounded(write_npz: Write) -> None:
    images = np.zeros((4, 5, 5))
    images[:, 0, 1] = [0.0, 1.6, 254.7, 3.2]
    assert first_pixels(opened(write_npz(x=images, y=LABELS))) == [0, 2, 255, 3]


@pytest.mark.parametrize(("value", "received"), [(-0.5, "-0.5..0"), (256.0, "0..256"), (np.nan, "nan..nan")])
def test_floats_outside_are_refused(write_npz: Write, value: float, received: str) -> None:
    images = np.zeros((4, 5, 5))
    images[0, 0, 0] = value
    with pytest.raises(DataError, match=r"must be in 0\.\.1 .* or 0\.\.255; received " + received):
        first_pixels(opened(write_npz(x=images, y=LABELS)))


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"a": IMAGES}, r"expected the keys x_train and y_train .*; received a"),
    ({"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES}, "`x_test` alone is not a test set"),
    ({"x": IMAGES.astype(np.int64), "y": LABELS}, r"`x` must be uint8, or float .* received int64; save `images"),
    ({"x": IMAGES[0], "y": LABELS}, r"`x` must have the shape .* received \(5, 5\)"),
    ({"x": np.zeros((4, 5, 5, 4), np.uint8), "y": LABELS}, r"1 or 3\); received \(4, 5, 5, 4\)"),
    ({"x": IMAGES, "y": LABELS[:3]}, r"`y` must have the shape \(4,\) like `x`; received \(3,\)"),
    ({"x": IMAGES, "y": np.eye(4)}, r"received \(4, 4\); for one-hot rows save `labels.argmax\(axis=1\)`"),
    ({"x": IMAGES, "y": LABELS.astype(float)}, r"`y` must hold integers 0..k-1; received float64"),
    ({"x": IMAGES, "y": LABELS - 1}, r"`y` must be class numbers within 0\.\.3; received -1\.\.0"),
    ({"x": IMAGES, "y": LABELS * 10**12}, r"`y` must be class numbers within 0\.\.3; received 0\.\.1000000000000"),
    ({"x": IMAGES, "y": LABELS, "classes": np.array(["cat"])}, r"within 0\.\.0; received 0\.\.1"),
    ({"x": IMAGES, "y": LABELS, "classes": np.array(["cat", "cat"])}, "`classes` must hold k different names"),
    ({"x": IMAGES, "y": np.array([0, 1, "x", None], dtype=object)}, "save plain numbers and names, not Python objects"),
    (
        {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES.astype(float), "y_test": LABELS},
        r"`x_test` must have images like `x_train`, uint8 \(5, 5, 1\); received float64 \(5, 5, 1\)",
    ),
    (
        {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS + 1},
        r"`y_test` must be class numbers within 0\.\.1; received 1\.\.2",
    ),
]


@pytest.mark.parametrize(("arrays", "message"), WRONG)
def test_arrays_that_do_not_fit_are_named(write_npz: Write, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        opened(write_npz(**arrays))


def test_a_file_that_is_not_an_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(DataError, match=r"text\.npz`: not a NumPy archive: .* write it with numpy\.savez"):
        opened(tmp_path / "text.npz")


def test_a_torn_archive_is_refused(write_npz: Write) -> None:
    path = write_npz(x=IMAGES, y=LABELS)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="not a NumPy archive"):
        opened(path)


def test_a_single_array_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, IMAGES)
    with pytest.raises(DataError, match="a single array; expected an archive"):
        opened(tmp_path / "one.npz")
