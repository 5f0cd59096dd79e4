"""Findings about images that exist more than once: within a part, across parts, under two classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sweep.image_checks.checked_images import CheckedImage, CheckedImages, PartName
from sweep.image_checks.image_examination import ImageHash
from sweep.image_checks.image_findings import FindingEntry, ImageFinding, Level, counted, finding_entry
from sweep.records.array_types import IntArray

LEAST_SIDE = 16
"""Minimum short side, in pixels, of images that are compared for near duplicates. Smaller images of the same class have
nearly equal perceptual hashes even if they differ, because the hashes are computed from 32 x 32 pixels."""
BITS_APART = 4
"""Two images are candidates if at most this many of the 64 bits of their perceptual hashes differ."""
BANDS = 5
"""One more than `BITS_APART`: if 4 bits differ, at least one of 5 bands of bits is equal (pigeonhole principle)."""
TONES_APART = 16.0
"""Candidates are near duplicates if their small copies differ by at most this many of 255 tones on average."""
PAIRS_AT_ONCE = 2**20

Groups = list[list[int]]
"""Ascending positions of two or more images that belong together; the groups are ordered by their first image."""

_LEAK = (
    "The model may recognize the images instead of the class: remove them from one part, or keep images that belong "
    "together on one side with `data.group_by`."
)
_CONFLICT = "An image cannot be in two classes: keep the copy in the right class, and remove the others."
_WITHIN = "They count several times in training and in the evaluation; keep one image of each group."


def judge_duplicates(images: CheckedImages, sides: Sequence[int]) -> Iterator[ImageFinding]:
    """Yield the findings about equal and nearly equal images; `sides` are the images' short sides in pixels."""
    seen = [image for image in images.images if image.image_hash is not None]
    hashes = [image.image_hash for image in seen if image.image_hash is not None]
    yield from _sorted(images, seen, same_pixels(hashes), "duplicate", "the same", ("problem", "problem", "warning"))
    if sides and sorted(sides)[len(sides) // 2] < LEAST_SIDE:
        title = f"Near duplicates were not searched for: most images are smaller than {LEAST_SIDE} x {LEAST_SIDE}"
        yield ImageFinding("near_unsearched", "note", title, "Inspect a sample by eye.")
        return
    near = near_duplicates(hashes)
    yield from _sorted(images, seen, near, "near_duplicate", "nearly the same", ("warning", "problem", "note"))


def _sorted(
    images: CheckedImages,
    seen: Sequence[CheckedImage],
    groups: Groups,
    kind: str,
    same: str,
    levels: tuple[Level, Level, Level],
) -> Iterator[ImageFinding]:
    """Yield findings: groups with several classes, groups across parts (a group may be both), and all other groups."""
    members = [[seen[position] for position in group] for group in groups]
    conflicts = [group for group in members if _labels(group) > 1]
    across = [group for group in members if len(_parts(group)) > 1]
    within = [group for group in members if _labels(group) == 1 and len(_parts(group)) <= 1]
    for level, name, found, where, advice in (
        (levels[0], f"{kind}_conflict", conflicts, "under different classes", _CONFLICT),
        (levels[1], f"{kind}_across", across, f"in different parts ({_part_counts(across)})", _LEAK),
        (levels[2], kind, within, "within a part", _WITHIN),
    ):
        if found:
            title = f"{counted(len(found), 'group of images', 'groups of images')} with {same} pixels {where}"
            yield ImageFinding(name, level, title, advice, tuple(tuple(_entries(images, group)) for group in found))


def _labels(group: Sequence[CheckedImage]) -> int:
    return len({image.label for image in group})


def _parts(group: Sequence[CheckedImage]) -> set[PartName]:
    return {image.part for image in group} - {"unused"}


def _part_counts(groups: Sequence[Sequence[CheckedImage]]) -> str:
    """Return how many groups are in which parts: `3 in train and test, 1 in train and validation`."""
    pairs: tuple[tuple[PartName, PartName], ...] = (("train", "test"), ("train", "validation"), ("validation", "test"))
    counts = [(sum({*pair} <= _parts(group) for group in groups), " and ".join(pair)) for pair in pairs]
    return ", ".join(f"{number:,} in {places}" for number, places in counts if number)


def _entries(images: CheckedImages, group: Sequence[CheckedImage]) -> Iterator[FindingEntry]:
    contents = [image.file.content if image.file else b"" for image in group]
    for position, image in enumerate(group):
        equal = contents[position] != b"" and contents[position] in contents[:position]
        yield finding_entry(image, images.classes, "same bytes" if equal else "")


def same_pixels(hashes: Sequence[ImageHash]) -> Groups:
    """Return groups of images with exactly the same pixels."""
    found: dict[bytes, list[int]] = {}
    for position, image_hash in enumerate(hashes):
        found.setdefault(image_hash.pixels, []).append(position)
    return [group for group in found.values() if len(group) > 1]


def near_duplicates(hashes: Sequence[ImageHash]) -> Groups:
    """Return groups of images that look the same but differ in their pixels, such as a smaller or compressed copy.

    The first image represents all images with the same pixels. Images of nearly one colour are left out: their hashes
    mean nothing. If a is near b and b is near c, all three are in one group.
    """
    first: dict[bytes, int] = {}
    for position, image_hash in enumerate(hashes):
        if not image_hash.flat:
            first.setdefault(image_hash.pixels, position)
    chosen = np.array(list(first.values()), dtype=np.int64)
    if len(chosen) < 2:
        return []
    phashes = np.array([hashes[position].phash for position in chosen], dtype=np.uint64)
    small = np.frombuffer(b"".join(hashes[position].small for position in chosen), dtype=np.uint8)
    pairs = near_pairs(phashes, small.reshape(len(chosen), -1))
    return [chosen[members].tolist() for members in _components(pairs, len(chosen))]


def near_pairs(hashes: npt.NDArray[np.uint64], small: npt.NDArray[np.uint8]) -> IntArray:
    """Return the pairs of positions whose hashes and small copies are near: int64 (k, 2), the smaller position first.

    `hashes` is (n,), `small` is (n, m). Only hashes that share a band of 12 or 13 bits are compared; see `BANDS`.
    """
    found = [np.empty((0, 2), dtype=np.int64)]
    edges = [64 * band // BANDS for band in range(BANDS + 1)]
    for low, high in pairwise(edges):
        band = (hashes >> np.uint64(low)) & np.uint64(2 ** (high - low) - 1)
        for left, right in _equal_pairs(band):
            close = np.bitwise_count(hashes[left] ^ hashes[right]) <= BITS_APART
            left, right = left[close], right[close]
            tones = np.abs(small[left].astype(np.int16) - small[right]).mean(axis=1)
            found.append(np.stack([left, right], axis=1)[tones <= TONES_APART])
    return np.unique(np.concatenate(found), axis=0)


def _equal_pairs(keys: npt.NDArray[np.uint64]) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield all pairs of positions with equal keys, the smaller first, in blocks of about `PAIRS_AT_ONCE`."""
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(keys[order]) != 0])
    ends = np.r_[starts[1:], len(keys)]
    later = np.repeat(ends, ends - starts) - np.arange(len(keys)) - 1  # number of equal keys after each one
    cuts = np.searchsorted(np.cumsum(later), np.arange(0, int(later.sum()) + PAIRS_AT_ONCE, PAIRS_AT_ONCE))
    for begin, end in zip(cuts, [*cuts[1:], len(keys)], strict=True):
        counts = later[begin:end]
        left = np.repeat(np.arange(begin, end), counts)
        step = np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
        yield order[left], order[left + step]


def _components(pairs: IntArray, count: int) -> Groups:
    """Connected components of two or more nodes in a graph with `count` nodes."""
    graph = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    order = np.argsort(component, kind="stable")
    runs = np.split(order, np.flatnonzero(np.diff(component[order])) + 1)
    return sorted(run.tolist() for run in runs if len(run) > 1)
