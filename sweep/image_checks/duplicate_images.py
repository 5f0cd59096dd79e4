"""Which images are the same, and which nearly so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sweep.image_checks.image_hash import ImageHash
from sweep.records.array_types import IntArray

BITS_APART = 4
"""Two images are candidates if their perceptual hashes differ in so many of 64 bits at most."""
BANDS = 5
"""One more than `BITS_APART`: of hashes that differ in 4 bits, one of 5 bands is the same (pigeonhole principle)."""
TONES_APART = 16.0
"""Candidates are near duplicates if their small copies differ by so many of 255 tones in the mean at most."""
PAIRS_AT_ONCE = 2**20

Groups = list[list[int]]
"""Positions of images that belong together, ascending, the groups by their first image; each has two at least."""


def same_pixels(hashes: Sequence[ImageHash]) -> Groups:
    """Images of which every pixel is the same."""
    found: dict[bytes, list[int]] = {}
    for position, image_hash in enumerate(hashes):
        found.setdefault(image_hash.pixels, []).append(position)
    return [group for group in found.values() if len(group) > 1]


def near_duplicates(hashes: Sequence[ImageHash]) -> Groups:
    """Images that look the same, such as a picture saved smaller or stronger compressed; not those of `same_pixels`.

    Of images with the same pixels the first stands for all. Those nearly of one colour are left out: all of them look
    alike. What is near to something near counts as near.
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
    """Pairs of positions, int64 (k, 2) with the smaller first, whose hashes (n,) and small copies (n, m) are near.

    Exact for every pair within `BITS_APART`, and far from comparing all with all: only those are compared that share a
    band of 12 or 13 bits.
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
    """All pairs of positions with equal keys, the smaller first, some at a time."""
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(keys[order]) != 0])
    ends = np.r_[starts[1:], len(keys)]
    later = np.repeat(ends, ends - starts) - np.arange(len(keys)) - 1  # members of the run behind each one
    cuts = np.searchsorted(np.cumsum(later), np.arange(0, int(later.sum()) + PAIRS_AT_ONCE, PAIRS_AT_ONCE))
    for begin, end in zip(cuts, [*cuts[1:], len(keys)], strict=True):
        counts = later[begin:end]
        left = np.repeat(np.arange(begin, end), counts)
        step = np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
        yield order[left], order[left + step]


def _components(pairs: IntArray, count: int) -> Groups:
    if len(pairs) == 0:
        return []
    graph = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    order = np.argsort(component, kind="stable")
    runs = np.split(order, np.flatnonzero(np.diff(component[order])) + 1)
    return sorted(run.tolist() for run in runs if len(run) > 1)
