"""Stratified choices by seed: the same labels and seed give the same positions everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from sweep.errors import DataError
from sweep.records.array_types import IntArray
from sweep.space.config import DataConfig

FEWEST = 2
PASSES = 10
"""Over all groups at most; three are the rule."""


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
            "class, or raise `limit` where it is set."
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


def choose_images(labels: IntArray, classes: Sequence[str], config: DataConfig) -> IntArray:
    """Positions of the images that a search uses at all: `config.limit` of the training part, ascending.

    Raises DataError where a class has too few images.
    """
    chosen = choose(labels, len(labels) if config.limit is None else config.limit, config.split_seed)
    limited = "" if config.limit is None else f" after `limit: {config.limit}`"
    check_classes(labels[chosen], classes, f"training part of `{config.name}`{limited}")
    return chosen


def split_validation(
    labels: IntArray, groups: IntArray | None, classes: Sequence[str], config: DataConfig
) -> tuple[IntArray, IntArray]:
    """Positions of the training and of the validation images in the training part, both ascending.

    First `config.limit` images are chosen, then `config.validation` of them held out. `groups` is None or the group
    of each image. Raises DataError where a class has too few images.
    """
    chosen = choose_images(labels, classes, config)
    sides = hold_out(
        labels[chosen],
        classes,
        "validation",
        config.validation,
        config.split_seed,
        None if groups is None else groups[chosen],
    )
    return chosen[sides[0]], chosen[sides[1]]


def hold_out(
    labels: IntArray, classes: Sequence[str], field: str, share: float, seed: int, groups: IntArray | None = None
) -> tuple[IntArray, IntArray]:
    """Split the positions 0..n-1 into (kept, held out), stratified by class, both ascending.

    `field` is the name of the share in the configuration. ceil(share * n) images are held out; with `groups` as near
    to it as whole groups allow. Raises DataError where a class would be missing on either side.
    """
    check_classes(labels, classes, f"the split by `{field}`")
    if groups is not None:
        return _hold_out_groups(labels, classes, field, share, seed, groups)
    held_count = math.ceil(share * len(labels))
    if min(held_count, len(labels) - held_count) < len(classes):
        raise _too_few(field, share, f"{held_count} of {len(labels)} images for {len(classes)} classes")
    kept, held = train_test_split(np.arange(len(labels)), test_size=share, random_state=seed, stratify=labels)
    for side in (kept, held):
        missing = _missing(labels[side], classes)
        if missing:
            raise _too_few(field, share, _listed([f"none of `{name}`" for name in missing]))
    return np.sort(kept).astype(np.int64), np.sort(held).astype(np.int64)


def _missing(labels: IntArray, classes: Sequence[str]) -> list[str]:
    counts = np.bincount(labels, minlength=len(classes))
    return [name for name, count in zip(classes, counts, strict=True) if count == 0]


def _hold_out_groups(
    labels: IntArray, classes: Sequence[str], field: str, share: float, seed: int, groups: IntArray
) -> tuple[IntArray, IntArray]:
    held = choose_groups(labels, groups, share, seed)
    for inside, side in ((~held, "kept"), (held, "held out")):
        missing = _missing(labels[inside], classes)
        if missing:
            raise DataError(
                f"data: `{field}: {share:g}` with `group_by`: {len(set(groups.tolist()))} groups cannot be split so "
                f"that `{missing[0]}` is {side} too: every class needs images of two groups at least that can be "
                "parted; add images of other groups, change the share, or make the groups smaller."
            )
    return np.flatnonzero(~held), np.flatnonzero(held)


def choose_groups(labels: IntArray, groups: IntArray, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which images lie in the chosen groups, bool (n,): about `share` of each class, whole groups only.

    Greedy: the groups in a random order, the large ones first; a group is taken, or given back, if that brings the
    classes' counts nearer to their shares (squares of the relative distances), until nothing changes. Then, for a
    class that got none, the group with it that costs least. scikit-learn's StratifiedGroupKFold does likewise, but
    knows only shares of 1/k.
    """
    counts = np.zeros((int(groups.max()) + 1, int(labels.max()) + 1))
    np.add.at(counts, (groups, labels), 1)
    relative = counts / np.maximum(counts.sum(axis=0), 1)
    order = np.random.RandomState(seed).permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    short = np.full(relative.shape[1], share)  # what each class still lacks
    taken = np.zeros(len(counts), dtype=bool)
    for _ in range(PASSES):
        before = taken.copy()
        for group in order:
            change = -relative[group] if taken[group] else relative[group]
            if change @ (change - 2 * short) < -1e-12:  # |short - change|^2 < |short|^2
                short -= change
                taken[group] = not taken[group]
        if (taken == before).all():
            break
    for label in np.flatnonzero(counts.any(axis=0) & ~counts[taken].any(axis=0)):
        having = order[counts[order, label] > 0]
        costs = ((short - relative[having]) ** 2).sum(axis=1)
        chosen = having[int(np.argmin(costs))]
        short -= relative[chosen]
        taken[chosen] = True
    return taken[groups]


def _too_few(field: str, share: float, received: str) -> DataError:
    return DataError(
        f"data: `{field}: {share:g}` splits off {received}; every class needs an image on both sides: "
        f"change `{field}`, add images of the smallest classes, or raise `limit`."
    )


def _listed(items: Sequence[str], most: int = 5) -> str:
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return f"{', '.join(items[:most])}{more}"
