"""Make the data set of a trial from the decoded images on disk: subset, split, statistics.

Repeats use the same images with another split or with folds; the final model trains on all these images. No
function here opens a test image.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from sweep.data.cache import TRAIN_IMAGES, TRAIN_LABELS, TRAIN_PATHS, TRAIN_SUMS, Prepared
from sweep.data.dataset import Dataset, Part
from sweep.data.splits import choose_images, groups_of, hold_out, split_validation
from sweep.errors import DataError
from sweep.records.array_types import IntArray, Shape, UInt8Array
from sweep.records.image_facts import DataStamp
from sweep.space.config import DataConfig


@dataclass(frozen=True)
class Split:
    """How a repeat divides the images.

    Attributes:
        seed: seed for shuffling. `DataConfig.split_seed` stays the same, because it also decides the test set.
        folds: number of folds, one of which is held out; None holds out `DataConfig.validation` of the images.
        fold: the fold to hold out, counted from 0.
    """

    seed: int
    folds: int | None = None
    fold: int = 0


class _Arrays(NamedTuple):
    images: UInt8Array
    labels: IntArray
    sums: IntArray


def load(prepared: Prepared, config: DataConfig) -> Dataset:
    """Return the training and validation images of `config`, memory-mapped; no pixels are read.

    First `config.limit` images are chosen, then the share `config.validation` of them is held out. Both steps are
    stratified and use `config.split_seed`; `config.group_by` keeps the images of a group on one side.

    Raises DataError if a class has too few images, the groups cannot be split, or the cached arrays are missing.
    """
    arrays = _open(prepared)
    sides = split_validation(arrays.labels, _groups(prepared, config), prepared.classes, config)
    return _dataset(prepared, arrays, *sides)


def load_split(prepared: Prepared, config: DataConfig, split: Split) -> Dataset:
    """Return the images of `load`, divided as `split` says; raises DataError like `load`."""
    arrays = _open(prepared)
    chosen = choose_images(arrays.labels, prepared.classes, config)
    labels, groups = arrays.labels[chosen], _groups(prepared, config)
    groups = None if groups is None else groups[chosen]
    if split.folds is None:
        kept, held = hold_out(labels, prepared.classes, "validation", config.validation, split.seed, groups)
    else:
        _check_folds(split.folds, labels, groups, prepared.classes)
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        folds = kind(split.folds, shuffle=True, random_state=split.seed).split(np.zeros(len(labels)), labels, groups)
        kept, held = list(folds)[split.fold]
    return _dataset(prepared, arrays, chosen[kept], chosen[held])


def load_whole(prepared: Prepared, config: DataConfig) -> Dataset:
    """Return the training and validation images of `load` as one training set; the validation set is empty."""
    arrays = _open(prepared)
    chosen = choose_images(arrays.labels, prepared.classes, config)
    return _dataset(prepared, arrays, chosen, np.empty(0, dtype=np.int64))


def _check_folds(folds: int, labels: IntArray, groups: IntArray | None, classes: Sequence[str]) -> None:
    """Raise DataError unless every class has at least one image, or one group, per fold."""
    name, units = ("images", np.arange(len(labels))) if groups is None else ("groups", groups)
    counts = [len(np.unique(units[labels == label])) for label in range(len(classes))]
    if min(counts) < folds:
        raise DataError(
            f"data: {folds} folds need {folds} {name} of every class, but `{classes[int(np.argmin(counts))]}` has "
            f"{min(counts)}; use fewer folds, or raise `limit`."
        )


def _dataset(prepared: Prepared, arrays: _Arrays, kept: IntArray, held: IntArray) -> Dataset:
    train, validation = (Part(arrays.images, side, arrays.labels[side]) for side in (kept, held))
    mean, std = channel_statistics(arrays.sums[train.index], prepared.shape)
    stamp = DataStamp(
        digest=prepared.digest,
        split=split_digest(train, validation),
        train=len(train),
        validation=len(validation),
        shape=prepared.shape,
        classes=prepared.classes,
        skipped=prepared.skipped,
    )
    return Dataset(train, validation, prepared.classes, prepared.shape, stamp, mean, std)


def channel_statistics(sums: IntArray, shape: Shape) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel on the scale 0..1, from sums of pixels and squares, int64 (n, 2, c).

    Computes with integers up to the last division, so the result does not depend on the order of the images.
    """
    height, width, channels = shape
    count = len(sums) * height * width
    totals = [(int(sums[:, 0, channel].sum()), int(sums[:, 1, channel].sum())) for channel in range(channels)]
    means = tuple(total / (255 * count) for total, _ in totals)
    return means, tuple(math.sqrt(count * squares - total**2) / (255 * count) for total, squares in totals)


def _open(prepared: Prepared) -> _Arrays:
    folder = Path(prepared.folder)
    try:
        # asarray: slicing a plain array is faster than slicing numpy.memmap, and the map stays read-only.
        images = np.asarray(np.load(folder / TRAIN_IMAGES, mmap_mode="r", allow_pickle=False))
        labels, sums = (np.load(folder / name, allow_pickle=False) for name in (TRAIN_LABELS, TRAIN_SUMS))
    except (OSError, ValueError) as error:
        raise _lost(prepared, str(error)) from error
    if images.shape != (prepared.train, *prepared.shape):
        raise _lost(prepared, f"images of the shape {images.shape} instead of {(prepared.train, *prepared.shape)}")
    return _Arrays(images, labels, sums)


def _groups(prepared: Prepared, config: DataConfig) -> IntArray | None:
    if config.group_by is None:
        return None
    try:
        paths = np.load(Path(prepared.folder) / TRAIN_PATHS, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise _lost(prepared, str(error)) from error
    return groups_of(
        [os.fsdecode(path) for path in paths.tolist()], config.group_by, f"training set of `{config.name}`"
    )


def _lost(prepared: Prepared, reason: str) -> DataError:
    return DataError(
        f"cache `{prepared.folder}`: the decoded images of {prepared.description} are missing or damaged: {reason}; "
        "run the same command again to decode them again."
    )


def split_digest(train: Part, validation: Part) -> str:
    """SHA-256 over the positions and labels of both sets."""
    digest = hashlib.sha256()
    for part in (train, validation):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part.index.astype("<i8").tobytes())
        digest.update(part.labels.astype("<i8").tobytes())
    return digest.hexdigest()
