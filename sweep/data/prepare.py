"""Decode a source once, seal its test part, and keep the arrays in a cache."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from sweep.data.cache import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    TRAIN_SUMS,
    Prepared,
    cache_key,
    check_room,
    publish,
    read_prepared,
    scratch_folder,
    write_meta,
)
from sweep.data.contents import Advance, Contents, IntArray, Lot, Progress, Shape, Source, UInt8Array, chunks
from sweep.data.sources import find_source
from sweep.data.splits import check_classes, hold_out
from sweep.errors import DataError
from sweep.space.config import DataConfig

Positions = tuple[Lot, IntArray]


def prepare(config: DataConfig, cache: Path, progress: Progress | None = None) -> Prepared:
    """Find the source, decode it unless the cache has it, and say where the arrays are.

    Of `config` only what decides the decoded images counts, not `limit` and `validation`. `progress(done, total)`
    counts decoded images; it is not called when the cache has them. Raises DataError.
    """
    source = find_source(config)
    folder = cache.expanduser().absolute() / cache_key(source, config)
    return read_prepared(folder) or _decode(source, config, folder, progress or _silent)


def _decode(source: Source, config: DataConfig, folder: Path, progress: Progress) -> Prepared:
    contents = _open(source, config)
    (train, kept), (test, sealed) = _parts(contents, config)
    check_classes(train.labels[kept], contents.classes, f"training part of `{config.name}`")
    advance = _counter(progress, len(kept) + len(sealed))
    with scratch_folder(folder.parent) as scratch:
        check_room(scratch, (len(kept) + len(sealed)) * (int(np.prod(contents.shape)) + 64))
        images = _write(scratch, (TRAIN_IMAGES, TRAIN_LABELS), (train, kept), contents.shape, advance)
        _write(scratch, (TEST_IMAGES, TEST_LABELS), (test, sealed), contents.shape, advance)
        np.save(scratch / TRAIN_SUMS, channel_sums(images))
        digest = training_digest(images, train.labels[kept], contents.classes)
        counts = {"train": len(kept), "test": len(sealed)}
        described = Prepared("", digest, contents.classes, contents.shape, **counts, description=source.description)
        write_meta(scratch, described)
        return publish(scratch, folder)


def _open(source: Source, config: DataConfig) -> Contents:
    try:
        contents = source.open()
    except OSError as error:
        raise DataError(f"data `{config.name}`: cannot be read: {error}; check that it is still there.") from error
    check_classes(contents.train.labels, contents.classes, f"training part of `{config.name}`")
    return contents


def _parts(contents: Contents, config: DataConfig) -> tuple[Positions, Positions]:
    """Which images of which lot are the training and the test part."""
    train = contents.train
    if contents.test is not None:
        return (train, _all(train)), (contents.test, _all(contents.test))
    kept, sealed = hold_out(train.labels, contents.classes, "test", config.test, config.split_seed)
    return (train, kept), (train, sealed)


def _all(lot: Lot) -> IntArray:
    return np.arange(len(lot.labels), dtype=np.int64)


def _write(folder: Path, names: tuple[str, str], part: Positions, shape: Shape, advance: Advance) -> UInt8Array:
    lot, positions = part
    out = np.lib.format.open_memmap(folder / names[0], mode="w+", dtype=np.uint8, shape=(len(positions), *shape))
    images = np.asarray(out)
    lot.read(positions, images, advance)
    out.flush()
    np.save(folder / names[1], lot.labels[positions])
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


def training_digest(images: UInt8Array, labels: IntArray, classes: tuple[str, ...]) -> str:
    """sha256 over shape, class names, labels and pixels; independent of where and when the images were read."""
    digest = hashlib.sha256(json.dumps([images.shape, classes]).encode())
    digest.update(labels.astype("<i8").tobytes())
    height, width, channels = images.shape[1:]
    for chunk in chunks(len(images), (height, width, channels)):
        digest.update(np.ascontiguousarray(images[chunk]).data)
    return digest.hexdigest()


def _counter(progress: Progress, total: int) -> Advance:
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    return advance


def _silent(done: int, total: int) -> None:
    """Nobody watches."""
