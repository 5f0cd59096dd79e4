"""From decoded images on disk to the data set of a trial: subset, split, statistics."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np

from sweep.data.cache import TRAIN_IMAGES, TRAIN_LABELS, TRAIN_SUMS, Prepared
from sweep.data.contents import IntArray, Shape, UInt8Array
from sweep.data.dataset import Dataset, Part
from sweep.data.splits import check_classes, choose, hold_out
from sweep.data.stamp import DataStamp
from sweep.errors import DataError
from sweep.space.config import DataConfig

Divide: TypeAlias = Callable[[IntArray, tuple[str, ...]], tuple[IntArray, IntArray]]


def load(prepared: Prepared, config: DataConfig) -> Dataset:
    """The training and validation images of `config`, memory-mapped; no pixel is read here, no test file opened.

    First `config.limit` images are chosen, then `config.validation` of them held out, both stratified and by
    `config.split_seed`. Raises DataError where a class has too few images, or the cached arrays are gone.
    """
    images, labels, sums = _open(prepared)
    chosen = _chosen(prepared, config, labels)
    kept, held = hold_out(labels[chosen], prepared.classes, "validation", config.validation, config.split_seed)
    return _dataset(prepared, (images, labels, sums), chosen[kept], chosen[held])


def load_divided(prepared: Prepared, config: DataConfig, divide: Divide) -> Dataset:
    """The same images divided otherwise, by `divide(labels, names of classes) -> (training, validation)`.

    The images are those that the search trained on and validated with: `config.limit` is applied as in `load`.
    Raises DataError as `load` does, and what `divide` raises.
    """
    images, labels, sums = _open(prepared)
    chosen = _chosen(prepared, config, labels)
    kept, held = divide(labels[chosen], prepared.classes)
    return _dataset(prepared, (images, labels, sums), chosen[kept], chosen[held])


def _chosen(prepared: Prepared, config: DataConfig, labels: IntArray) -> IntArray:
    """Positions of the images that a search uses at all."""
    chosen = choose(labels, len(labels) if config.limit is None else config.limit, config.split_seed)
    limited = "" if config.limit is None else f" after `limit: {config.limit}`"
    check_classes(labels[chosen], prepared.classes, f"training part of `{config.name}`{limited}")
    return chosen


def _dataset(
    prepared: Prepared, arrays: tuple[UInt8Array, IntArray, IntArray], kept: IntArray, held: IntArray
) -> Dataset:
    images, labels, sums = arrays
    train, validation = (Part(images, side, labels[side]) for side in (kept, held))
    mean, std = channel_statistics(sums[train.index], prepared.shape)
    stamp = _stamp(prepared, train, validation)
    return Dataset(train, validation, prepared.classes, prepared.shape, stamp, mean, std)


def channel_statistics(sums: IntArray, shape: Shape) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel on the scale 0..1, from sums of pixels and squares, int64 (n, 2, c).

    Exact in integers up to the last division, so that no order of summing can change a bit.
    """
    height, width, channels = shape
    count = len(sums) * height * width
    totals = [(int(sums[:, 0, channel].sum()), int(sums[:, 1, channel].sum())) for channel in range(channels)]
    means = tuple(total / (255 * count) for total, _ in totals)
    return means, tuple(math.sqrt(count * squares - total**2) / (255 * count) for total, squares in totals)


def _open(prepared: Prepared) -> tuple[UInt8Array, IntArray, IntArray]:
    folder = Path(prepared.folder)
    try:
        # asarray: slicing a plain array is faster than slicing numpy.memmap, and the map stays read-only
        images = np.asarray(np.load(folder / TRAIN_IMAGES, mmap_mode="r", allow_pickle=False))
        labels, sums = (np.load(folder / name, allow_pickle=False) for name in (TRAIN_LABELS, TRAIN_SUMS))
    except (OSError, ValueError) as error:
        raise _lost(prepared, str(error)) from error
    if images.shape != (prepared.train, *prepared.shape):
        raise _lost(prepared, f"images of the shape {images.shape} instead of {(prepared.train, *prepared.shape)}")
    return images, labels, sums


def _lost(prepared: Prepared, reason: str) -> DataError:
    return DataError(
        f"cache `{prepared.folder}`: the decoded images of {prepared.description} are gone or damaged: {reason}; "
        "start the command again to decode them anew."
    )


def _stamp(prepared: Prepared, train: Part, validation: Part) -> DataStamp:
    return DataStamp(
        digest=prepared.digest,
        split=split_digest(train, validation),
        train=len(train),
        validation=len(validation),
        shape=prepared.shape,
        classes=prepared.classes,
    )


def split_digest(train: Part, validation: Part) -> str:
    """sha256 over the positions and labels of both parts."""
    digest = hashlib.sha256()
    for part in (train, validation):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part.index.astype("<i8").tobytes())
        digest.update(part.labels.astype("<i8").tobytes())
    return digest.hexdigest()
