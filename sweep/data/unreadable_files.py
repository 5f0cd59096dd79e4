"""Leaving out the files that cannot be decoded, as if they were not there (`data.on_unreadable: skip`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from sweep.data.contents import Advance, Contents, LazyImages, Unreadable, chunks
from sweep.records.array_types import IntArray, Shape, UInt8Array

UnreadableParts: TypeAlias = tuple[tuple[Unreadable, ...], tuple[Unreadable, ...]]
"""What was left out of the training and of the test part."""


def without_unreadable(contents: Contents, folder: Path, advance: Advance) -> tuple[Contents, UnreadableParts]:
    """Decode everything once into `folder`, and give what is readable, and what is not.

    Which files are readable must be known before the split, which depends on how many there are; a second decoding
    would double the time, so that what was decoded is kept in files of `folder` and copied from there.
    """
    train, lost = _readable(contents.train, contents.shape, folder / "train.npy", advance)
    if contents.test is None:
        return replace(contents, train=train), (lost, ())
    test, lost_test = _readable(contents.test, contents.shape, folder / "test.npy", advance)
    return replace(contents, train=train, test=test), (lost, lost_test)


def _readable(
    lazy_images: LazyImages, shape: Shape, file: Path, advance: Advance
) -> tuple[LazyImages, tuple[Unreadable, ...]]:
    if lazy_images.attempt is None:
        return lazy_images, ()
    everything = np.arange(len(lazy_images.labels), dtype=np.int64)
    decoded = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=(len(everything), *shape))
    lost = lazy_images.attempt(everything, decoded, advance)
    good = np.delete(everything, [unreadable.row for unreadable in lost])

    def read(positions: IntArray, out: UInt8Array, advance: Advance) -> None:
        for chunk in chunks(len(positions), shape):
            out[chunk] = decoded[good[positions[chunk]]]
            advance(len(out[chunk]))

    return LazyImages(lazy_images.labels[good], read, tuple(lazy_images.paths[row] for row in good)), lost
