"""Decode the images of a listed directory in threads (Pillow releases the interpreter lock while it decodes)."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from sweep.data.arrays import CHANNELS
from sweep.data.contents import Advance, Contents, LazyImages, Source, Unreadable
from sweep.data.folder import ImageFile, Listing, fingerprint, list_folder
from sweep.data.pixels import is_colour, read_image
from sweep.errors import DataError
from sweep.invocation import command_text
from sweep.records.array_types import IntArray, Shape, UInt8Array
from sweep.space.config import DataConfig

FILES_PER_TASK = 64
FAULTS_SHOWN = 5
MAX_THREADS = 16
SMALL_FILE = 16_000
"""Mean file size in bytes below which only one thread is used: most of the time is then spent in Pillow's Python code,
which a second thread slows down (1 kB JPEG files: 255 µs with one thread, 345 µs with two; 140 kB: two are faster)."""


@dataclass(frozen=True)
class Target:
    """The shape of every decoded image, and the number of threads.

    If `size` is None, all images must have the size of the first readable training image, whose path is `model_file`.
    """

    root: Path
    shape: Shape
    size: int | None
    model_file: str
    threads: int = 1


def folder_source(root: Path, config: DataConfig) -> Source:
    """Return the source of a directory of class folders; raises DataError for another layout."""
    listing = list_folder(root)
    opened = partial(_open, listing, config)
    return Source(f"folder {root}", fingerprint(listing), listing.test is not None, opened, listing)


def _open(listing: Listing, config: DataConfig) -> Contents:
    """Open a directory; only the training images decide the channels and the size."""
    channels = _channels(listing) if config.channels is None else CHANNELS[config.channels]
    size = config.image_size
    (height, width), model_file = _first_size(listing) if size is None else ((size, size), "")
    small = sum(file.size for file in listing.train) < SMALL_FILE * len(listing.train)
    threads = 1 if small else min(MAX_THREADS, os.cpu_count() or 1)
    target = Target(listing.root, (height, width, channels), size, model_file, threads)
    test = None if listing.test is None else _lazy_images(listing, listing.test, target)
    return Contents(listing.classes, target.shape, _lazy_images(listing, listing.train, target), test)


def _lazy_images(listing: Listing, files: Sequence[ImageFile], target: Target) -> LazyImages:
    labels = np.array([file.label for file in files], dtype=np.int64)

    def attempt(positions: IntArray, out: UInt8Array, advance: Advance) -> tuple[Unreadable, ...]:
        return decode([files[position].path for position in positions], target, out, advance)

    def read(positions: IntArray, out: UInt8Array, advance: Advance) -> None:
        found = attempt(positions, out, advance)
        if found:
            raise _refusal(found, len(positions), listing.root)

    return LazyImages(labels, read, tuple(listing.below_class(file) for file in files), attempt)


def _first_size(listing: Listing) -> tuple[tuple[int, int], str]:
    """Height and width of the first readable training image, and its path."""
    for file in listing.train:
        pixels = _try_read(listing.root / file.path, 1, None)
        if not isinstance(pixels, str):
            return (pixels.shape[0], pixels.shape[1]), file.path
    return (1, 1), ""  # all files are unreadable, which decoding will report


def _channels(listing: Listing) -> int:
    """Return 3 if any training image has colour, else 1."""
    for file in listing.train:
        with suppress(Exception):  # decoding will report all unreadable files
            if is_colour(listing.root / file.path):
                return 3
    return 1


def decode(paths: Sequence[str], target: Target, out: UInt8Array, advance: Advance) -> tuple[Unreadable, ...]:
    """Decode the files into `out`, uint8 (len(paths), h, w, c), and return the unreadable files.

    Raises DataError for an image whose size differs from that of `target.model_file`, if `target.size` is None.
    """
    tasks = [range(start, min(start + FILES_PER_TASK, len(paths))) for start in range(0, len(paths), FILES_PER_TASK)]
    faults: list[Unreadable] = []
    with ThreadPoolExecutor(target.threads) as pool:
        for task, found in zip(
            tasks, pool.map(lambda rows: list(_decode(paths, rows, target, out)), tasks), strict=True
        ):
            faults.extend(found)
            advance(len(task))
    return tuple(faults)


def _decode(paths: Sequence[str], rows: range, target: Target, out: UInt8Array) -> Iterator[Unreadable]:
    for row in rows:
        path = paths[row]
        pixels = _try_read(target.root / path, target.shape[2], target.size)
        if isinstance(pixels, str):
            yield Unreadable(row, path, pixels)
        elif pixels.shape != target.shape:
            (height, width), other = target.shape[:2], pixels.shape
            raise DataError(
                f"data `{target.root}`: all images must have the same size, but {target.model_file} is {width} x "
                f"{height} and {path} is {other[1]} x {other[0]} pixels (width x height); set `image_size: 32` (or "
                "another size) to resize every image."
            )
        else:
            out[row] = pixels


def _try_read(path: Path, channels: int, size: int | None) -> UInt8Array | str:
    """The pixels, or the reason why the file cannot be decoded."""
    try:
        return read_image(path, channels, size)
    except Exception as error:  # damaged files raise many types: OSError, SyntaxError, struct.error, ...
        return str(error).replace(f" {str(path)!r}", "") or type(error).__name__


def _refusal(faults: Sequence[Unreadable], count: int, root: Path) -> DataError:
    shown = "\n".join(f"  {fault.path}: {fault.reason}" for fault in faults[:FAULTS_SHOWN])
    more = f"\n  and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
    return DataError(
        f"data `{root}`: {len(faults)} of {count} image files cannot be read:\n{shown}{more}\n"
        f"`{command_text('doctor')} {shlex.quote(str(root))}` lists all faults of the folder. Remove or replace the "
        "files, or leave them out with `--set data.on_unreadable=skip`."
    )
