"""A NumPy archive of images and labels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from sweep.data.arrays import ToUInt8, contents_of_arrays, unchanged, with_channels
from sweep.data.contents import Contents, Source
from sweep.errors import DataError
from sweep.records.array_types import IntArray, UInt8Array
from sweep.space.config import DataConfig

Arrays = Mapping[str, npt.NDArray[Any]]

KEYS = (("x_train", "y_train"), ("x", "y"), ("images", "labels"))
TEST_KEYS = ("x_test", "y_test")
EXPECTED_KEYS = "x_train and y_train (optionally x_test and y_test), or x and y, or images and labels"


def npz_source(path: Path, config: DataConfig) -> Source:
    """Return the source of an archive with the keys `EXPECTED_KEYS` and optionally `classes` (k,), names of the labels.

    Images: (n, h, w) or (n, h, w, 1 or 3), uint8, or float 0..1 (multiplied by 255 and rounded) or 0..255 (rounded).
    Labels: integers 0..k-1, (n,) or (n, 1). Raises DataError for other content, here or in `Source.open`.
    """
    stat = path.stat()
    with _load(path) as arrays:
        _, test = _find_keys(path, set(arrays.files))
    fingerprint = f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}"
    return Source(f"file {path}", fingerprint, test is not None, partial(_open, path, config))


def _load(path: Path) -> Any:
    try:
        loaded = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise DataError(f"data `{path}`: not a NumPy archive: {error}; write it with numpy.savez.") from error
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        raise DataError(f"data `{path}`: a single array; expected an archive with {EXPECTED_KEYS}.")
    return loaded


def _find_keys(path: Path, present: set[str]) -> tuple[tuple[str, str], tuple[str, str] | None]:
    train = next((keys for keys in KEYS if present.issuperset(keys)), None)
    if train is None:
        received = ", ".join(sorted(present)) or "none"
        _refuse(path, f"expected the keys {EXPECTED_KEYS}; received {received}")
    has_test = present.intersection(TEST_KEYS)
    if len(has_test) == 1:
        _refuse(path, f"`{has_test.pop()}` alone is not a test set; save both x_test and y_test, or neither")
    return train, TEST_KEYS if has_test else None


def _open(path: Path, config: DataConfig) -> Contents:
    with _load(path) as arrays:
        train_keys, test_keys = _find_keys(path, set(arrays.files))
        content = _read(path, arrays, ("classes", *train_keys, *(test_keys or ())))
    train = _part(path, content, train_keys)
    test = None if test_keys is None else _part(path, content, test_keys)
    classes = _classes(path, content.get("classes"), train[1], train_keys[1])
    _check_range(path, train[1], train_keys[1], len(classes))
    if test is not None:
        _check_range(path, test[1], TEST_KEYS[1], len(classes))
        kinds = [f"{images.dtype} {with_channels(images).shape[1:]}" for images in (train[0], test[0])]
        if kinds[0] != kinds[1]:
            _refuse(path, f"`x_test` must have images like `x_train`, {kinds[0]}; received {kinds[1]}")
    return contents_of_arrays(config, classes, train, test, _conversion(path, train[0], train_keys[0]))


def _read(path: Path, arrays: Any, keys: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    try:
        return {key: arrays[key] for key in keys if key in arrays.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise DataError(
            f"data `{path}`: an array cannot be read: {error}; save plain numbers and names, not Python objects."
        ) from error


def _part(path: Path, arrays: Arrays, keys: tuple[str, str]) -> tuple[npt.NDArray[Any], IntArray]:
    images, labels = (arrays[key] for key in keys)
    if images.ndim not in (3, 4) or with_channels(images).shape[3] not in (1, 3) or 0 in images.shape:
        _refuse(path, f"`{keys[0]}` must have the shape (n, h, w) or (n, h, w, 1 or 3); received {images.shape}")
    if labels.shape not in ((len(images),), (len(images), 1)):
        advice = "; for one-hot rows save `labels.argmax(axis=1)`" if labels.ndim == 2 else ""
        _refuse(
            path, f"`{keys[1]}` must have the shape ({len(images)},) like `{keys[0]}`; received {labels.shape}{advice}"
        )
    if labels.dtype.kind not in "iu":
        _refuse(path, f"`{keys[1]}` must hold integers 0..k-1; received {labels.dtype}; save `labels.astype('int64')`")
    return images, labels.reshape(-1).astype(np.int64)


def _classes(path: Path, names: npt.NDArray[Any] | None, labels: IntArray, key: str) -> tuple[str, ...]:
    if names is None:
        _check_range(path, labels, key, len(labels))  # labels above the number of images are not class numbers
        return tuple(str(label) for label in range(int(labels.max()) + 1))
    if names.ndim != 1 or names.dtype.kind not in "US" or len(set(names.tolist())) != len(names):
        _refuse(path, f"`classes` must hold k different names, shape (k,); received {names.dtype} {names.shape}")
    return tuple(names.astype(np.str_).tolist())


def _check_range(path: Path, labels: IntArray, key: str, count: int) -> None:
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= count:
        _refuse(path, f"`{key}` must be class numbers within 0..{count - 1}; received {low}..{high}")


def _conversion(path: Path, images: npt.NDArray[Any], key: str) -> ToUInt8:
    """The conversion of pixels to 0..255. The training images decide it; the test images must be in the same range."""
    if images.dtype == np.uint8:
        return unchanged
    if images.dtype.kind != "f":
        advice = "save `images.astype('uint8')` if they are 0..255"
        _refuse(path, f"`{key}` must be uint8, or float in 0..1 or 0..255; received {images.dtype}; {advice}")
    return partial(_from_float, path, 1.0 if images.max() <= 1 else 255.0)


def _from_float(path: Path, top: float, images: npt.NDArray[Any]) -> UInt8Array:
    if not (images.min() >= 0 and images.max() <= top):  # also true for NaN
        received = f"{images.min():g}..{images.max():g}"
        _refuse(path, f"float pixels must be in 0..1 (multiplied by 255) or 0..255; received {received}; rescale them")
    return np.rint(images.astype(np.float64) * (255 / top)).astype(np.uint8)


def _refuse(path: Path, what: str) -> NoReturn:
    raise DataError(f"data `{path}`: {what}.")
