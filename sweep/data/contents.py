"""What every source hands over: labels at once, pixels on request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from sweep.data.folder import Listing
from sweep.records.array_types import IntArray, Shape, UInt8Array

ProgressCallback: TypeAlias = Callable[[int, int], None]
"""Called with (images done, images in all)."""

Advance: TypeAlias = Callable[[int], None]
"""Called with the number of images done since the last call."""

ReadImages: TypeAlias = Callable[[IntArray, UInt8Array, Advance], None]


class Unreadable(NamedTuple):
    """An image file that cannot be decoded: its row among those asked for, its path below the root, and why."""

    row: int
    path: str
    reason: str


TryReadImages: TypeAlias = Callable[[IntArray, UInt8Array, Advance], tuple[Unreadable, ...]]

CHUNK_BYTES = 2**24


@dataclass(frozen=True, eq=False)
class LazyImages:
    """Labelled images that are decoded on request.

    Attributes:
        labels: int64 (n,), positions into the names of the classes.
        read: `read(positions, out, advance)` fills `out`, uint8 (len(positions), h, w, c); raises DataError.
        paths: (n,) of the images' files, each below its class folder; empty where the images are no files.
        attempt: as `read`, but tells what is unreadable and leaves its rows as they are; None where nothing can be.
    """

    labels: IntArray
    read: ReadImages
    paths: tuple[str, ...] = ()
    attempt: TryReadImages | None = None


@dataclass(frozen=True, eq=False)
class Contents:
    """An opened source. `test` is None where the source has no test part of its own."""

    classes: tuple[str, ...]
    shape: Shape
    train: LazyImages
    test: LazyImages | None


@dataclass(frozen=True)
class Source:
    """A source that was found, with nothing decoded yet.

    Attributes:
        description: for people, e.g. `folder /data/flowers`.
        fingerprint: changes when the source's content changes; cheap to make.
        has_test: whether the source has a test part of its own.
        open: reads what is needed to know labels and shape; raises DataError.
        listing: the files of a directory; None of other sources.
    """

    description: str
    fingerprint: str
    has_test: bool
    open: Callable[[], Contents]
    listing: Listing | None = None


def chunks(count: int, shape: Shape) -> list[slice]:
    """Consecutive slices over `count` images, each about 16 MB of uint8 pixels."""
    height, width, channels = shape
    rows = max(1, CHUNK_BYTES // (height * width * channels))
    return [slice(start, min(start + rows, count)) for start in range(0, count, rows)]


def counter(progress: ProgressCallback, total: int) -> Advance:
    """Counts images for `progress`, of which there are so many in all."""
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    return advance
