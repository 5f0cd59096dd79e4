"""Decode a source once, seal its test part, and keep the arrays in a cache."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sweep.data.cache import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    TRAIN_PATHS,
    TRAIN_SUMS,
    Prepared,
    cache_key,
    check_room,
    publish,
    read_prepared,
    scratch_folder,
    write_meta,
)
from sweep.data.contents import Advance, Contents, LazyImages, ProgressCallback, Source, chunks, counter
from sweep.data.groups import groups_of
from sweep.data.sources import find_source
from sweep.data.splits import check_classes, hold_out
from sweep.data.unreadable_files import UnreadableParts, without_unreadable
from sweep.errors import DataError
from sweep.records.array_types import IntArray, Shape, UInt8Array
from sweep.space.config import DataConfig

Positions = tuple[LazyImages, IntArray]


def prepare(config: DataConfig, cache: Path, progress: ProgressCallback | None = None) -> Prepared:
    """Find the source, decode it unless the cache has it, and say where the arrays are.

    Of `config` only what decides the decoded images counts, not `limit` and `validation`. `progress(done, total)`
    counts decoded images; it is not called when the cache has them. Raises DataError.
    """
    source = find_source(config)
    folder = cache.expanduser().absolute() / cache_key(source, config)
    return read_prepared(folder) or _decode(source, config, folder, progress or _silent)


def _decode(source: Source, config: DataConfig, folder: Path, progress: ProgressCallback) -> Prepared:
    contents = _open(source, config)
    count = len(contents.train.labels) + (0 if contents.test is None else len(contents.test.labels))
    advance = counter(progress, count)
    skip = config.on_unreadable == "skip" and contents.train.attempt is not None
    with scratch_folder(folder.parent) as scratch, scratch_folder(folder.parent) as spare:
        check_room(scratch, (1 + skip) * count * (int(np.prod(contents.shape)) + 64))
        lost: UnreadableParts = ((), ())
        if skip:
            contents, lost = without_unreadable(contents, spare, advance)
            advance = _nobody
            _check(contents, config, f" after {len(lost[0]) + len(lost[1])} unreadable files were skipped")
        _store(scratch, contents, config, source.description, lost, advance)
        return publish(scratch, folder)


def _store(
    scratch: Path, contents: Contents, config: DataConfig, description: str, lost: UnreadableParts, advance: Advance
) -> None:
    """Write the arrays of both parts into `scratch`, and describe them."""
    (train, kept), (test, sealed) = _parts(contents, config)
    check_classes(train.labels[kept], contents.classes, f"training part of `{config.name}`")
    images = _write(scratch, (TRAIN_IMAGES, TRAIN_LABELS), (train, kept), contents.shape, advance)
    _write(scratch, (TEST_IMAGES, TEST_LABELS), (test, sealed), contents.shape, advance)
    np.save(scratch / TRAIN_SUMS, channel_sums(images))
    np.save(scratch / TRAIN_PATHS, _as_bytes(train.paths, kept))
    described = Prepared(
        folder="",
        digest=training_digest(images, train.labels[kept], contents.classes, [file.path for file in lost[0]]),
        classes=contents.classes,
        shape=contents.shape,
        train=len(kept),
        test=len(sealed),
        description=description,
        skipped=len(lost[0]) + len(lost[1]),
    )
    write_meta(scratch, described)


def _as_bytes(paths: Sequence[str], positions: IntArray) -> npt.NDArray[np.bytes_]:
    """A file's name need not be Unicode; empty where the images are no files."""
    return np.array([os.fsencode(paths[position]) for position in positions] if paths else [], dtype=np.bytes_)


def _open(source: Source, config: DataConfig) -> Contents:
    try:
        contents = source.open()
    except OSError as error:
        raise DataError(f"data `{config.name}`: cannot be read: {error}; check that it is still there.") from error
    _check(contents, config, "")
    return contents


def _check(contents: Contents, config: DataConfig, after: str) -> None:
    """Before anything is decoded, and again after files were skipped."""
    check_classes(contents.train.labels, contents.classes, f"training part of `{config.name}`{after}")
    if config.group_by is not None:
        groups_of(contents.train.paths, config.group_by, f"training part of `{config.name}`")
    if contents.test is not None and len(contents.test.labels) == 0:
        raise DataError(f"data: test part of `{config.name}`{after}: no image is left; replace the files or remove it.")


def _parts(contents: Contents, config: DataConfig) -> tuple[Positions, Positions]:
    """Where the images of the training and of the test part are: in which part of the source, at which positions."""
    train = contents.train
    if contents.test is not None:
        return (train, _all(train)), (contents.test, _all(contents.test))
    groups = None if config.group_by is None else groups_of(train.paths, config.group_by, f"`{config.name}`")
    kept, sealed = hold_out(train.labels, contents.classes, "test", config.test, config.split_seed, groups)
    return (train, kept), (train, sealed)


def _all(lazy_images: LazyImages) -> IntArray:
    return np.arange(len(lazy_images.labels), dtype=np.int64)


def _write(folder: Path, names: tuple[str, str], part: Positions, shape: Shape, advance: Advance) -> UInt8Array:
    lazy_images, positions = part
    out = np.lib.format.open_memmap(folder / names[0], mode="w+", dtype=np.uint8, shape=(len(positions), *shape))
    images = np.asarray(out)
    lazy_images.read(positions, images, advance)
    out.flush()
    np.save(folder / names[1], lazy_images.labels[positions])
    return images


def channel_sums(images: UInt8Array) -> IntArray:
    """Of each image (n, h, w, c): the sums of its pixels and of their squares per channel, int64 (n, 2, c)."""
    count, height, width, channels = images.shape
    sums = np.empty((count, 2, channels), dtype=np.int64)
    for chunk in chunks(count, (height, width, channels)):
        for channel in range(channels):
            pixels = images[chunk, :, :, channel].reshape(-1, height * width).astype(np.uint32)
            sums[chunk, 0, channel] = pixels.sum(axis=1, dtype=np.int64)
            sums[chunk, 1, channel] = np.multiply(pixels, pixels).sum(axis=1, dtype=np.int64)
    return sums


def training_digest(images: UInt8Array, labels: IntArray, classes: tuple[str, ...], skipped: Sequence[str] = ()) -> str:
    """sha256 over shape, class names, labels and pixels, and the paths of what was `skipped` if anything was.

    Independent of where and when the images were read.
    """
    digest = hashlib.sha256(json.dumps([images.shape, classes]).encode())
    digest.update(labels.astype("<i8").tobytes())
    height, width, channels = images.shape[1:]
    for chunk in chunks(len(images), (height, width, channels)):
        digest.update(np.ascontiguousarray(images[chunk]).data)
    digest.update("".join(f"\0{path}" for path in skipped).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _nobody(count: int) -> None:
    """What was decoded has been counted already."""


def _silent(done: int, total: int) -> None:
    """Nobody watches."""
