"""Stratified choices by seed: the same labels and seed give the same positions everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import train_test_split

from sweep.data.contents import IntArray
from sweep.errors import DataError

FEWEST = 2


def check_classes(labels: IntArray, classes: Sequence[str], what: str) -> None:
    """Raise DataError unless there are two classes at least, each with two images at least.

    `what` says which images these are, e.g. `training part`.
    """
    if len(classes) < FEWEST:
        raise DataError(
            f"data: {what}: {len(classes)} class ({', '.join(classes)}); at least 2 are needed to classify."
        )
    counts = np.bincount(labels, minlength=len(classes))
    short = [f"`{name}` has {count}" for name, count in zip(classes, counts, strict=True) if count < FEWEST]
    if short:
        raise DataError(
            f"data: {what}: every class needs at least {FEWEST} images, but {_listed(short)}; add images, remove the "
            "class, or raise `limit`."
        )


def choose(labels: IntArray, count: int, seed: int) -> IntArray:
    """Positions of exactly `count` of the images (all, where there are no more), each class by its share, ascending.

    Largest remainders: a class gets the whole part of its share, the rest goes to the largest fractions.
    """
    if count >= len(labels):
        return np.arange(len(labels), dtype=np.int64)
    shares = np.bincount(labels) * count / len(labels)
    takes = np.floor(shares).astype(np.int64)
    takes[np.argsort(takes - shares, kind="stable")[: count - takes.sum()]] += 1
    random = np.random.RandomState(seed)  # its stream is frozen, the newer generators' may change with NumPy
    members = (random.permutation(np.flatnonzero(labels == label))[:take] for label, take in enumerate(takes))
    return np.sort(np.concatenate(list(members)))


def hold_out(
    labels: IntArray, classes: Sequence[str], field: str, share: float, seed: int
) -> tuple[IntArray, IntArray]:
    """Split the positions 0..n-1 into (kept, held out), stratified by class, both ascending.

    `field` is the name of the share in the configuration. ceil(share * n) images are held out. Raises DataError where
    a class would be missing on either side.
    """
    check_classes(labels, classes, f"the split by `{field}`")
    held_count = math.ceil(share * len(labels))
    if min(held_count, len(labels) - held_count) < len(classes):
        raise _too_few(field, share, f"{held_count} of {len(labels)} images for {len(classes)} classes")
    kept, held = train_test_split(np.arange(len(labels)), test_size=share, random_state=seed, stratify=labels)
    for side in (kept, held):
        counts = np.bincount(labels[side], minlength=len(classes))
        missing = [f"none of `{name}`" for name, count in zip(classes, counts, strict=True) if count == 0]
        if missing:
            raise _too_few(field, share, _listed(missing))
    return np.sort(kept).astype(np.int64), np.sort(held).astype(np.int64)


def _too_few(field: str, share: float, received: str) -> DataError:
    return DataError(
        f"data: `{field}: {share:g}` splits off {received}; every class needs an image on both sides: "
        f"change `{field}`, add images of the smallest classes, or raise `limit`."
    )


def _listed(items: Sequence[str], most: int = 5) -> str:
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return f"{', '.join(items[:most])}{more}"
