"""The images of a data set, each with its class, the part that a run would give it to, and what it looks like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sweep.data.contents import Advance, Contents, LazyImages, chunks
from sweep.data.folder import Listing
from sweep.data.groups import groups_of
from sweep.data.splits import hold_out, split_validation
from sweep.errors import DataError
from sweep.image_checks.file_examination import FileFacts
from sweep.image_checks.image_hash import ImageHash
from sweep.image_checks.process_pool import examine_all, hash_all
from sweep.records.array_types import IntArray, UInt8Array
from sweep.space.config import DataConfig

PartName = Literal["train", "validation", "test", "unused"]
"""Where a run puts an image. `unused`: unreadable, or beyond `limit`."""


@dataclass(frozen=True)
class CheckedImage:
    """One image.

    Attributes:
        name: its path below the root, or `train[17]`.
        label: position of its class.
        image_hash: None where it cannot be decoded.
        file: None where it is no file.
    """

    name: str
    label: int
    part: PartName
    image_hash: ImageHash | None
    file: FileFacts | None = None


@dataclass(frozen=True)
class CheckedImages:
    """All images of a data set, those of its training part first.

    Attributes:
        unsplit: why they cannot be split as configured; then all of the training part count as `train`.
    """

    classes: tuple[str, ...]
    images: tuple[CheckedImage, ...]
    unsplit: str


def images_of_folder(listing: Listing, config: DataConfig, advance: Advance) -> CheckedImages:
    """Look at every file of a directory. Unreadable files have no say in the split, as after their removal."""
    files = (*listing.train, *(listing.test or ()))
    facts = examine_all(listing.root, [file.path for file in files], advance)
    whole = np.array([found.image_hash is not None for found in facts], dtype=bool)
    good = np.flatnonzero(whole[: len(listing.train)])
    labels = np.array([listing.train[position].label for position in good], dtype=np.int64)
    paths = [listing.below_class(listing.train[position]) for position in good]
    split, unsplit = parts(labels, paths, listing.classes, config, has_test=listing.test is not None)
    by_position = dict(zip(good.tolist(), split, strict=True))
    images = []
    for position, (file, found) in enumerate(zip(files, facts, strict=True)):
        sealed: PartName = "test" if position >= len(listing.train) and found.image_hash is not None else "unused"
        images.append(CheckedImage(file.path, file.label, by_position.get(position, sealed), found.image_hash, found))
    return CheckedImages(listing.classes, tuple(images), unsplit)


def images_of_arrays(contents: Contents, config: DataConfig, advance: Advance) -> CheckedImages:
    """Look at every image of a named set or an archive."""
    count = len(contents.train.labels) + (0 if contents.test is None else len(contents.test.labels))
    hashes = hash_all(_batches(contents), count, advance)
    labels = contents.train.labels
    split, unsplit = parts(labels, (), contents.classes, config, has_test=contents.test is not None)
    images = [
        CheckedImage(f"train[{position}]", int(label), part, image_hash)
        for position, (label, part, image_hash) in enumerate(zip(labels, split, hashes, strict=False))
    ]
    if contents.test is not None:
        images += [
            CheckedImage(f"test[{position}]", int(label), "test", image_hash)
            for position, (label, image_hash) in enumerate(
                zip(contents.test.labels, hashes[len(labels) :], strict=True)
            )
        ]
    return CheckedImages(contents.classes, tuple(images), unsplit)


def parts(
    labels: IntArray, paths: Sequence[str], classes: tuple[str, ...], config: DataConfig, *, has_test: bool
) -> tuple[list[PartName], str]:
    """The part of each image of the training part, split with the functions that a run splits with.

    The second value is "", or why they cannot be split; then all are `train`.
    """
    found: list[PartName] = ["unused"] * len(labels)
    try:
        kept = np.arange(len(labels), dtype=np.int64)
        if not has_test:
            groups = _groups(paths, kept, config)
            kept, sealed = hold_out(labels, classes, "test", config.test, config.split_seed, groups)
            _mark(found, sealed, "test")
        sides = split_validation(labels[kept], _groups(paths, kept, config), classes, config)
    except DataError as error:
        return ["train"] * len(labels), str(error)
    _mark(found, kept[sides[0]], "train")
    _mark(found, kept[sides[1]], "validation")
    return found, ""


def read_one(contents: Contents, name: str) -> UInt8Array:
    """The image called `train[17]` or `test[17]`, uint8 (h, w, c)."""
    part, _, position = name.rstrip("]").partition("[")
    lazy_images = contents.train if part == "train" or contents.test is None else contents.test
    (pixels,) = _read(lazy_images, np.array([int(position)]), contents)
    found: UInt8Array = pixels
    return found


def _groups(paths: Sequence[str], kept: IntArray, config: DataConfig) -> IntArray | None:
    """Numbered within what is kept, as a run does it."""
    if config.group_by is None:
        return None
    return groups_of([paths[position] for position in kept] if paths else (), config.group_by, f"`{config.name}`")


def _mark(found: list[PartName], positions: IntArray, part: PartName) -> None:
    for position in positions.tolist():
        found[position] = part


def _batches(contents: Contents) -> Iterator[UInt8Array]:
    for lazy_images in (contents.train, *(() if contents.test is None else (contents.test,))):
        everything = np.arange(len(lazy_images.labels), dtype=np.int64)
        for chunk in chunks(len(everything), contents.shape):
            yield _read(lazy_images, everything[chunk], contents)


def _read(lazy_images: LazyImages, positions: IntArray, contents: Contents) -> UInt8Array:
    out = np.empty((len(positions), *contents.shape), dtype=np.uint8)
    lazy_images.read(positions, out, lambda _count: None)
    return out
