"""What every source of images provides: labels when it is opened, pixels on request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from sweep.data.folder import Listing
from sweep.records.array_types import IntArray, Shape, UInt8Array

ProgressCallback: TypeAlias = Callable[[int, int], None]
"""Called with the number of images done and their total number."""

Advance: TypeAlias = Callable[[int], None]
"""Called with the number of images done since the last call."""

ReadImages: TypeAlias = Callable[[IntArray, UInt8Array, Advance], None]


class Unreadable(NamedTuple):
    """An image file that cannot be decoded: its row among the requested images, its path below the root, the reason."""

    row: int
    path: str
    reason: str


TryReadImages: TypeAlias = Callable[[IntArray, UInt8Array, Advance], tuple[Unreadable, ...]]

CHUNK_BYTES = 2**24


@dataclass(frozen=True, eq=False)
class LazyImages:
    """Labelled images that are decoded on request.

    Attributes:
        labels: int64 (n,), position of each image's class in the class names.
        read: `read(positions, out, advance)` fills `out`, uint8 (len(positions), h, w, c); raises DataError.
        paths: (n,) paths of the image files below their class folders; empty if the images are not files.
        attempt: like `read`, but returns the unreadable files and leaves their rows unchanged; None if no image
            can be unreadable, as in arrays.
    """

    labels: IntArray
    read: ReadImages
    paths: tuple[str, ...] = ()
    attempt: TryReadImages | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Contents:
    """An opened source. `test` is None if the source has no separate test set."""

    classes: tuple[str, ...]
    shape: Shape
    train: LazyImages
    test: LazyImages | None

    @property
    def parts(self) -> tuple[LazyImages, ...]:
        """The training set, then the test set if the source has one."""
        return (self.train,) if self.test is None else (self.train, self.test)

    def __len__(self) -> int:
        return sum(map(len, self.parts))


@dataclass(frozen=True)
class Source:
    """A source that was found but not decoded.

    Attributes:
        description: name of the source in messages, such as `folder /data/flowers`.
        fingerprint: changes when the source's content changes; cheap to compute.
        has_test: True if the source has a separate test set.
        open: reads the labels and the shape, but not all pixels; raises DataError.
        listing: the files, if the source is a directory; None for other sources.
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
    """Return an `Advance` function that passes the number of images done so far, and `total`, to `progress`."""
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    return advance
