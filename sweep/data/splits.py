"""Stratified random splits, and groups of images that stay on one side.

The same labels and seed give the same positions on every machine. Images of a group belong together (one patient, one
film, one object); the group of an image is read from its path.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from sweep.errors import DataError
from sweep.records.array_types import IntArray
from sweep.space.config import DataConfig

FEWEST = 2
PASSES = 10
"""Maximum number of passes of `choose_groups` over all groups; three passes are usual."""


def check_classes(labels: IntArray, classes: Sequence[str], what: str) -> None:
    """Raise DataError unless there are at least two classes, each with at least two images.

    `what` names the images in the message, e.g. `training set`.
    """
    if len(classes) < FEWEST:
        raise DataError(f"data: {what}: a classifier needs at least 2 classes, received only {', '.join(classes)}.")
    counts = np.bincount(labels, minlength=len(classes))
    short = [f"`{name}` has {count}" for name, count in zip(classes, counts, strict=True) if count < FEWEST]
    if short:
        raise DataError(
            f"data: {what}: every class needs at least {FEWEST} images, but {_listed(short)}; add images, remove the "
            "class, or raise `limit` if it is set."
        )


def choose(labels: IntArray, count: int, seed: int) -> IntArray:
    """Ascending positions of exactly `count` images (or all, if there are fewer), stratified by class.

    Largest remainder method: a class gets the integer part of its share; the largest fractions are rounded up.
    """
    if count >= len(labels):
        return np.arange(len(labels), dtype=np.int64)
    shares = np.bincount(labels) * count / len(labels)
    takes = np.floor(shares).astype(np.int64)
    takes[np.argsort(takes - shares, kind="stable")[: count - takes.sum()]] += 1
    random = np.random.RandomState(seed)  # unlike a Generator's, its numbers do not depend on NumPy's version
    members = (random.permutation(np.flatnonzero(labels == label))[:take] for label, take in enumerate(takes))
    return np.sort(np.concatenate(list(members)))


def choose_images(labels: IntArray, classes: Sequence[str], config: DataConfig) -> IntArray:
    """Ascending positions of the images that a search uses: `config.limit` images of the training set.

    Raises DataError if a class has too few images.
    """
    chosen = choose(labels, len(labels) if config.limit is None else config.limit, config.split_seed)
    limited = "" if config.limit is None else f" after `limit: {config.limit}`"
    check_classes(labels[chosen], classes, f"training set of `{config.name}`{limited}")
    return chosen


def split_validation(
    labels: IntArray, groups: IntArray | None, classes: Sequence[str], config: DataConfig
) -> tuple[IntArray, IntArray]:
    """Ascending positions of the training and of the validation images in the cached training set.

    First `config.limit` images are chosen, then the share `config.validation` of them is held out. `groups` is None or
    the group of each image. Raises DataError if a class has too few images.
    """
    chosen = choose_images(labels, classes, config)
    groups = None if groups is None else groups[chosen]
    kept, held = hold_out(labels[chosen], classes, "validation", config.validation, config.split_seed, groups)
    return chosen[kept], chosen[held]


def hold_out(
    labels: IntArray, classes: Sequence[str], field: str, share: float, seed: int, groups: IntArray | None = None
) -> tuple[IntArray, IntArray]:
    """Split the positions 0..n-1 into (kept, held out), stratified by class, both ascending.

    `field` is the share's name in the configuration, for messages. Holds out ceil(share * n) images; with `groups`, a
    number as close to it as whole groups allow. Raises DataError if a class would be missing on either side.
    """
    check_classes(labels, classes, f"the split by `{field}`")
    if groups is not None:
        return _hold_out_groups(labels, classes, field, share, seed, groups)
    held_count = math.ceil(share * len(labels))
    if min(held_count, len(labels) - held_count) < len(classes):
        raise _too_few(field, share, f"{held_count} of {len(labels)} images, with {len(classes)} classes")
    kept, held = train_test_split(np.arange(len(labels)), test_size=share, random_state=seed, stratify=labels)
    for amount, side in (("all images", kept), ("no image", held)):
        missing = _missing(labels[side], classes)
        if missing:
            raise _too_few(field, share, f"{amount} of {_listed([f'`{name}`' for name in missing])}")
    return np.sort(kept).astype(np.int64), np.sort(held).astype(np.int64)


def _missing(labels: IntArray, classes: Sequence[str]) -> list[str]:
    counts = np.bincount(labels, minlength=len(classes))
    return [name for name, count in zip(classes, counts, strict=True) if count == 0]


def _hold_out_groups(
    labels: IntArray, classes: Sequence[str], field: str, share: float, seed: int, groups: IntArray
) -> tuple[IntArray, IntArray]:
    held = choose_groups(labels, groups, share, seed)
    for side in (~held, held):
        missing = _missing(labels[side], classes)
        if missing:
            raise DataError(
                f"data: `{field}: {share:g}` with `group_by`: no split of the {len(set(groups.tolist()))} groups "
                f"was found with images of `{missing[0]}` on both sides: every class needs images from at least two "
                "groups; add images of other groups, change the share, or make the groups smaller."
            )
    return np.flatnonzero(~held), np.flatnonzero(held)


def choose_groups(labels: IntArray, groups: IntArray, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Choose whole groups with about `share` of each class; True for their images, bool (n,).

    Greedy: visits the groups in a random order, large ones first, and adds or removes a group if that brings the
    classes' counts closer to their shares (sum of squared relative distances), until nothing changes. If a class then
    has no held-out image, the group of this class that increases the distance least is added. scikit-learn's
    StratifiedGroupKFold is similar, but allows only shares of 1/k.
    """
    counts = np.zeros((int(groups.max()) + 1, int(labels.max()) + 1))
    np.add.at(counts, (groups, labels), 1)
    relative = counts / np.maximum(counts.sum(axis=0), 1)
    order = np.random.RandomState(seed).permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    short = np.full(relative.shape[1], share)  # the share of each class that is still missing
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
        f"data: `{field}: {share:g}` holds out {received}; every class needs an image on both sides: "
        f"change `{field}`, add images of the smallest classes, or raise `limit`."
    )


def _listed(items: Sequence[str], most: int = 5) -> str:
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return f"{', '.join(items[:most])}{more}"


def groups_of(paths: Sequence[str], pattern: str, what: str) -> IntArray:
    """The group of each image as a number 0..k-1 in the order of appearance, int64 (n,).

    Args:
        paths: the image files' paths below their class folders; empty if the images are not files.
        pattern: `data.group_by`, searched in each path; the first capture group, else the whole match, is the name of
            the group. The same name in two classes is one group.
        what: name of these images in messages.

    Raises DataError for a pattern that is not a regular expression, that does not match every path, or that is useless
    because it puts all images into one group or each into a separate one.
    """
    field = f"data: {what}: `group_by: {pattern}`"
    if not paths:
        raise DataError(f"{field} is searched in the paths of image files, but these images are not files; remove it.")
    names = _names(paths, pattern, field)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    if len(paths) > 1 and len(numbers) in (1, len(paths)):
        fault = "all into one group" if len(numbers) == 1 else "each into a separate group"
        raise DataError(
            f"{field} puts the {len(paths)} images {fault}, for example `{paths[0]}` into `{names[0]}`; "
            "put parentheses around the part of the path that all images of a group share, such as `^(patient\\d+)_`."
        )
    return np.array([numbers[name] for name in names], dtype=np.int64)


def _names(paths: Sequence[str], pattern: str, field: str) -> list[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DataError(f"{field} is not a regular expression: {error}; Python's syntax is expected.") from None
    matches = [compiled.search(path) for path in paths]
    missed = [path for path, match in zip(paths, matches, strict=True) if match is None]
    if missed:
        count = "none" if len(missed) == len(paths) else f"only {len(paths) - len(missed)}"
        raise DataError(
            f"{field} matches {count} of {len(paths)} paths; it does not match, for example, `{missed[0]}`. The "
            "pattern is searched in the path below the class folder, and every image must belong to a group."
        )
    return [match[1 if compiled.groups else 0] for match in matches if match is not None]
