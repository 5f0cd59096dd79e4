"""From decoded images on disk to the data set of a trial: subset, split, statistics."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np

from sweep.data.cache import TRAIN_IMAGES, TRAIN_LABELS, TRAIN_PATHS, TRAIN_SUMS, Prepared
from sweep.data.dataset import Dataset, Part
from sweep.data.groups import groups_of
from sweep.data.splits import choose_images, split_validation
from sweep.errors import DataError
from sweep.records.array_types import IntArray, Shape, UInt8Array
from sweep.records.image_facts import DataStamp
from sweep.space.config import DataConfig

Divide: TypeAlias = Callable[[IntArray, IntArray | None, tuple[str, ...]], tuple[IntArray, IntArray]]


def load(prepared: Prepared, config: DataConfig) -> Dataset:
    """The training and validation images of `config`, memory-mapped; no pixel is read here, no test file opened.

    First `config.limit` images are chosen, then `config.validation` of them held out, both stratified and by
    `config.split_seed`; with `config.group_by` no group lies on both sides. Raises DataError where a class has too few
    images or the groups say nothing, or the cached arrays are gone.
    """
    images, labels, sums = _open(prepared)
    sides = split_validation(labels, _groups(prepared, config), prepared.classes, config)
    return _dataset(prepared, (images, labels, sums), *sides)


def load_divided(prepared: Prepared, config: DataConfig, divide: Divide) -> Dataset:
    """The same images divided otherwise, by `divide(labels, groups, names of classes) -> (training, validation)`.

    The images are those that the search trained on and validated with: `config.limit` is applied as in `load`.
    Raises DataError as `load` does, and what `divide` raises.
    """
    images, labels, sums = _open(prepared)
    groups = _groups(prepared, config)
    chosen = choose_images(labels, prepared.classes, config)
    kept, held = divide(labels[chosen], None if groups is None else groups[chosen], prepared.classes)
    return _dataset(prepared, (images, labels, sums), chosen[kept], chosen[held])


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


def _groups(prepared: Prepared, config: DataConfig) -> IntArray | None:
    if config.group_by is None:
        return None
    try:
        paths = np.load(Path(prepared.folder) / TRAIN_PATHS, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise _lost(prepared, str(error)) from error
    return groups_of(
        [os.fsdecode(path) for path in paths.tolist()], config.group_by, f"training part of `{config.name}`"
    )


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
        skipped=prepared.skipped,
    )


def split_digest(train: Part, validation: Part) -> str:
    """sha256 over the positions and labels of both parts."""
    digest = hashlib.sha256()
    for part in (train, validation):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part.index.astype("<i8").tobytes())
        digest.update(part.labels.astype("<i8").tobytes())
    return digest.hexdigest()
