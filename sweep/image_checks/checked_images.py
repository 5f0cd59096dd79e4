"""The images of a data set, read in several processes: the class, the part and the hash of each image."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from sweep.data.contents import Advance, Contents, LazyImages, chunks
from sweep.data.folder import Listing
from sweep.data.splits import groups_of, hold_out, split_validation
from sweep.errors import DataError
from sweep.image_checks.image_examination import FileFacts, ImageHash, examine, hash_of
from sweep.records.array_types import IntArray, UInt8Array
from sweep.space.config import DataConfig

PartName = Literal["train", "validation", "test", "unused"]
"""The part into which a run puts the image. `unused`: the image is unreadable, or is left out because of `limit`."""

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

FILES_PER_TASK = 64
IN_THIS_PROCESS = 512
"""Below this number of images no processes are started, because the start of a process takes a second."""


@dataclass(frozen=True)
class CheckedImage:
    """An image of the data set.

    Attributes:
        name: path below the root, or `train[17]`.
        label: position of its class.
        image_hash: the hash; None if the image cannot be decoded.
        file: facts about the file; None if the image is in an array.
    """

    name: str
    label: int
    part: PartName
    image_hash: ImageHash | None
    file: FileFacts | None = None


@dataclass(frozen=True)
class CheckedImages:
    """All images of a data set, the training images first.

    Attributes:
        unsplit: why the images cannot be split as configured (then all training images are `train`), or "".
    """

    classes: tuple[str, ...]
    images: tuple[CheckedImage, ...]
    unsplit: str


def images_of_folder(listing: Listing, config: DataConfig, advance: Advance) -> CheckedImages:
    """Examine every image file of a directory. Unreadable files are left out before the split."""
    files = listing.files
    tasks = [
        (listing.root, [file.path for file in files[start : start + FILES_PER_TASK]])
        for start in range(0, len(files), FILES_PER_TASK)
    ]
    facts = list(_map(_examine, tasks, len(files), advance))
    readable = np.array([found.image_hash is not None for found in facts], dtype=bool)
    good = np.flatnonzero(readable[: len(listing.train)])
    labels = np.array([listing.train[position].label for position in good], dtype=np.int64)
    paths = [listing.below_class(listing.train[position]) for position in good]
    split, unsplit = parts(labels, paths, listing.classes, config, has_test=listing.test is not None)
    by_position = dict(zip(good.tolist(), split, strict=True))
    images = []
    for position, (file, found) in enumerate(zip(files, facts, strict=True)):
        other: PartName = "test" if position >= len(listing.train) and readable[position] else "unused"
        images.append(CheckedImage(file.path, file.label, by_position.get(position, other), found.image_hash, found))
    return CheckedImages(listing.classes, tuple(images), unsplit)


def images_of_arrays(contents: Contents, config: DataConfig, advance: Advance) -> CheckedImages:
    """Hash every image of a named set or an archive."""
    hashes = list(_map(_hash, _batches(contents), len(contents), advance))
    labels = contents.train.labels
    split, unsplit = parts(labels, (), contents.classes, config, has_test=contents.test is not None)
    names = [f"train[{position}]" for position in range(len(labels))]
    if contents.test is not None:
        names += [f"test[{position}]" for position in range(len(contents.test))]
        labels = np.concatenate([labels, contents.test.labels])
        split += ["test"] * len(contents.test)
    images = map(CheckedImage, names, labels.tolist(), split, hashes)
    return CheckedImages(contents.classes, tuple(images), unsplit)


def parts(
    labels: IntArray, paths: Sequence[str], classes: tuple[str, ...], config: DataConfig, *, has_test: bool
) -> tuple[list[PartName], str]:
    """Split the training set with the functions that a run uses.

    Returns:
        The part of each image, and "". If the images cannot be split: `train` for each image, and the reason.
    """
    found = np.full(len(labels), "unused", dtype=object)
    kept = np.arange(len(labels), dtype=np.int64)
    try:
        if not has_test:
            groups = _groups(paths, kept, config)
            kept, sealed = hold_out(labels, classes, "test", config.test, config.split_seed, groups)
            found[sealed] = "test"
        train, validation = split_validation(labels[kept], _groups(paths, kept, config), classes, config)
    except DataError as error:
        return ["train"] * len(labels), str(error)
    found[kept[train]] = "train"
    found[kept[validation]] = "validation"
    return found.tolist(), ""


def read_one(contents: Contents, name: str) -> UInt8Array:
    """The image called `train[17]` or `test[17]`, uint8 (h, w, c)."""
    part, _, position = name.rstrip("]").partition("[")
    lazy_images = contents.train if part == "train" or contents.test is None else contents.test
    (pixels,) = _read(lazy_images, np.array([int(position)]), contents)
    found: UInt8Array = pixels
    return found


def _groups(paths: Sequence[str], kept: IntArray, config: DataConfig) -> IntArray | None:
    """The groups of the kept images, numbered as in a run."""
    if config.group_by is None:
        return None
    return groups_of([paths[position] for position in kept] if paths else (), config.group_by, f"`{config.name}`")


def _batches(contents: Contents) -> Iterator[UInt8Array]:
    for lazy_images in contents.parts:
        everything = np.arange(len(lazy_images), dtype=np.int64)
        for chunk in chunks(len(everything), contents.shape):
            yield _read(lazy_images, everything[chunk], contents)


def _read(lazy_images: LazyImages, positions: IntArray, contents: Contents) -> UInt8Array:
    out = np.empty((len(positions), *contents.shape), dtype=np.uint8)
    lazy_images.read(positions, out, lambda _count: None)
    return out


def _examine(task: tuple[Path, Sequence[str]]) -> list[FileFacts]:
    root, paths = task
    return [examine(root / path) for path in paths]


def _hash(batch: UInt8Array) -> list[ImageHash]:
    return [hash_of(pixels) for pixels in batch]


def _map(
    function: Callable[[_Task], list[_Result]], tasks: Iterable[_Task], count: int, advance: Advance
) -> Iterator[_Result]:
    """Call `function` for every task, in processes: the calls keep the interpreter busy, so threads would not help."""
    if count < IN_THIS_PROCESS:
        for task in tasks:
            yield from _counted(function(task), advance)
        return
    # Spawned, because a process with threads must not be forked.
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        try:
            for results in pool.map(function, tasks):
                yield from _counted(results, advance)
        except BrokenProcessPool:
            raise DataError(
                "a process that examined the images was killed, most likely because the memory was full; free some "
                "memory, or check fewer or smaller images at a time."
            ) from None


def _counted(results: list[_Result], advance: Advance) -> list[_Result]:
    advance(len(results))
    return results
