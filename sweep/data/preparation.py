"""Decode a source once, seal its test set, and keep the arrays in a cache."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

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
from sweep.data.contents import Advance, Contents, LazyImages, ProgressCallback, Source, Unreadable, chunks, counter
from sweep.data.sources import find_source
from sweep.data.splits import check_classes, groups_of, hold_out
from sweep.errors import DataError
from sweep.records.array_types import IntArray, Shape, UInt8Array
from sweep.space.config import DataConfig

Positions = tuple[LazyImages, IntArray]


def prepare(config: DataConfig, cache: Path, progress: ProgressCallback | None = None) -> Prepared:
    """Find the source, decode it unless the cache has it, and describe the decoded arrays.

    The result does not depend on `config.limit` and `config.validation`. `progress(done, total)` counts decoded images;
    it is not called if the cache has the arrays. Raises DataError.
    """
    source = find_source(config)
    folder = cache.expanduser().absolute() / cache_key(source, config)
    return read_prepared(folder) or _decode(source, config, folder, progress or (lambda _done, _total: None))


def _decode(source: Source, config: DataConfig, folder: Path, progress: ProgressCallback) -> Prepared:
    contents = _open(source, config)
    advance = counter(progress, len(contents))
    skip = config.on_unreadable == "skip" and contents.train.attempt is not None
    with scratch_folder(folder.parent) as scratch, scratch_folder(folder.parent) as spare:
        check_room(scratch, (1 + skip) * len(contents) * (int(np.prod(contents.shape)) + 64))
        lost: tuple[Unreadable, ...] = ()
        lost_test: tuple[Unreadable, ...] = ()
        if skip:
            # The readable images are kept in `spare` and copied from there: decoding twice would double the time.
            train, lost = _readable(contents.train, contents.shape, spare / "train.npy", advance)
            contents = replace(contents, train=train)
            if contents.test is not None:
                test, lost_test = _readable(contents.test, contents.shape, spare / "test.npy", advance)
                contents = replace(contents, test=test)
            _check(contents, config, f" (unreadable files skipped: {len(lost) + len(lost_test)})")
            advance = counter(lambda _done, _total: None, 0)  # all images are already counted
        _store(scratch, contents, config, source.description, (lost, lost_test), advance)
        return publish(scratch, folder)


def _readable(
    lazy_images: LazyImages, shape: Shape, file: Path, advance: Advance
) -> tuple[LazyImages, tuple[Unreadable, ...]]:
    """Decode all images into `file`; return the readable images, now read from `file`, and the unreadable files.

    The split depends on the number of readable images, so all files are decoded before the split.
    """
    if lazy_images.attempt is None:
        return lazy_images, ()
    everything = _all(lazy_images)
    decoded = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=(len(everything), *shape))
    lost = lazy_images.attempt(everything, decoded, advance)
    good = np.delete(everything, [unreadable.row for unreadable in lost])

    def read(positions: IntArray, out: UInt8Array, advance: Advance) -> None:
        for chunk in chunks(len(positions), shape):
            out[chunk] = decoded[good[positions[chunk]]]
            advance(len(out[chunk]))

    return LazyImages(lazy_images.labels[good], read, tuple(lazy_images.paths[row] for row in good)), lost


def _store(
    scratch: Path,
    contents: Contents,
    config: DataConfig,
    description: str,
    lost: tuple[tuple[Unreadable, ...], tuple[Unreadable, ...]],
    advance: Advance,
) -> None:
    """Write the arrays of both sets and their description into `scratch`; `lost`: skipped training and test files."""
    (train, kept), (test, sealed) = _parts(contents, config)
    check_classes(train.labels[kept], contents.classes, f"training set of `{config.name}`")
    images = _write(scratch, (TRAIN_IMAGES, TRAIN_LABELS), (train, kept), contents.shape, advance)
    _write(scratch, (TEST_IMAGES, TEST_LABELS), (test, sealed), contents.shape, advance)
    np.save(scratch / TRAIN_SUMS, channel_sums(images))
    # Bytes, because a file name can be invalid as Unicode.
    paths = [os.fsencode(train.paths[position]) for position in kept] if train.paths else []
    np.save(scratch / TRAIN_PATHS, np.array(paths, dtype=np.bytes_))
    described = Prepared(
        folder="",
        digest=training_digest(images, train.labels[kept], contents.classes, [file.path for file in lost[0]]),
        classes=contents.classes,
        shape=contents.shape,
        train=len(kept),
        test=len(sealed),
        description=description,
        skipped=sum(map(len, lost)),
    )
    write_meta(scratch, described)


def _open(source: Source, config: DataConfig) -> Contents:
    try:
        contents = source.open()
    except OSError as error:
        raise DataError(f"data `{config.name}`: cannot be read: {error}; check that it still exists.") from error
    _check(contents, config, "")
    return contents


def _check(contents: Contents, config: DataConfig, after: str) -> None:
    """Check classes, groups and the test set before decoding, and again if files were skipped."""
    check_classes(contents.train.labels, contents.classes, f"training set of `{config.name}`{after}")
    if config.group_by is not None:
        groups_of(contents.train.paths, config.group_by, f"training set of `{config.name}`")
    if contents.test is not None and len(contents.test) == 0:
        raise DataError(f"data: test set of `{config.name}`{after}: no image is left; replace files or remove `test/`.")


def _parts(contents: Contents, config: DataConfig) -> tuple[Positions, Positions]:
    """Return the training set and the test set, each as (images of the source, positions of the set in them)."""
    train = contents.train
    if contents.test is not None:
        return (train, _all(train)), (contents.test, _all(contents.test))
    groups = None if config.group_by is None else groups_of(train.paths, config.group_by, f"`{config.name}`")
    kept, sealed = hold_out(train.labels, contents.classes, "test", config.test, config.split_seed, groups)
    return (train, kept), (train, sealed)


def _all(lazy_images: LazyImages) -> IntArray:
    return np.arange(len(lazy_images), dtype=np.int64)


def _write(folder: Path, names: tuple[str, str], part: Positions, shape: Shape, advance: Advance) -> UInt8Array:
    lazy_images, positions = part
    out = np.lib.format.open_memmap(folder / names[0], mode="w+", dtype=np.uint8, shape=(len(positions), *shape))
    images = np.asarray(out)
    lazy_images.read(positions, images, advance)
    out.flush()
    np.save(folder / names[1], lazy_images.labels[positions])
    return images


def channel_sums(images: UInt8Array) -> IntArray:
    """The sums of pixels and of squared pixels per channel of each image (n, h, w, c), int64 (n, 2, c)."""
    count, height, width, channels = images.shape
    sums = np.empty((count, 2, channels), dtype=np.int64)
    for chunk in chunks(count, (height, width, channels)):
        for channel in range(channels):
            pixels = images[chunk, :, :, channel].reshape(-1, height * width).astype(np.uint32)
            sums[chunk, 0, channel] = pixels.sum(axis=1, dtype=np.int64)
            sums[chunk, 1, channel] = np.multiply(pixels, pixels).sum(axis=1, dtype=np.int64)
    return sums


def training_digest(images: UInt8Array, labels: IntArray, classes: tuple[str, ...], skipped: Sequence[str] = ()) -> str:
    """SHA-256 over shape, class names, labels, pixels, and the paths of `skipped` files.

    Does not depend on where and when the images were read.
    """
    digest = hashlib.sha256(json.dumps([images.shape, classes]).encode())
    digest.update(labels.astype("<i8").tobytes())
    height, width, channels = images.shape[1:]
    for chunk in chunks(len(images), (height, width, channels)):
        digest.update(np.ascontiguousarray(images[chunk]).data)
    digest.update("".join(f"\0{path}" for path in skipped).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
