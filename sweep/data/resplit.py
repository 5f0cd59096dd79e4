"""The images of a search divided anew: a fresh split, folds, or all of them for training. Never a test image.

A group (`DataConfig.group_by`) stays on one side here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from sweep.data.cache import Prepared
from sweep.data.dataset import Dataset
from sweep.data.loading import load_divided
from sweep.data.splits import hold_out
from sweep.errors import DataError
from sweep.records.array_types import IntArray
from sweep.space.config import DataConfig


@dataclass(frozen=True)
class Split:
    """How the images are divided.

    Attributes:
        seed: of the shuffling; `DataConfig.split_seed` stays as it is, since it decides the test part too.
        folds: so many parts, one of which is held out; None holds out `DataConfig.validation` of the images.
        fold: which part, 0 for the first.
    """

    seed: int
    folds: int | None = None
    fold: int = 0


def load_split(prepared: Prepared, config: DataConfig, split: Split) -> Dataset:
    """Training and validation images of a fresh split, stratified by class; raises DataError for too few images."""
    if split.folds is None:
        return load_divided(prepared, config, partial(_held_out, config.validation, split.seed))
    return load_divided(prepared, config, partial(_folded, split.folds, split.fold, split.seed))


def load_whole(prepared: Prepared, config: DataConfig) -> Dataset:
    """Training and validation images together as training part; the validation part is empty."""
    return load_divided(prepared, config, _whole)


def _held_out(
    share: float, seed: int, labels: IntArray, groups: IntArray | None, classes: Sequence[str]
) -> tuple[IntArray, IntArray]:
    return hold_out(labels, classes, "validation", share, seed, groups)


def _folded(
    folds: int, fold: int, seed: int, labels: IntArray, groups: IntArray | None, classes: Sequence[str]
) -> tuple[IntArray, IntArray]:
    _check_folds(folds, labels, groups, classes)
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    parts = kind(folds, shuffle=True, random_state=seed).split(np.zeros(len(labels)), labels, groups)
    kept, held = list(parts)[fold]
    return kept.astype(np.int64), held.astype(np.int64)


def _check_folds(folds: int, labels: IntArray, groups: IntArray | None, classes: Sequence[str]) -> None:
    """Every class must have an image, or a group, for each fold."""
    name, units = ("images", np.arange(len(labels))) if groups is None else ("groups", groups)
    counts = [len(np.unique(units[labels == label])) for label in range(len(classes))]
    if min(counts) < folds:
        raise DataError(
            f"data: {folds} folds want {folds} {name} of every class, but `{classes[int(np.argmin(counts))]}` has "
            f"{min(counts)}; ask for fewer folds, or raise `limit`."
        )


def _whole(
    labels: IntArray,
    groups: IntArray | None,  # noqa: ARG001 - a `Divide`
    classes: Sequence[str],  # noqa: ARG001
) -> tuple[IntArray, IntArray]:
    return np.arange(len(labels), dtype=np.int64), np.empty(0, dtype=np.int64)
