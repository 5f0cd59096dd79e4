"""Decoded images on disk: one folder per source, written once, then only read.

    <cache>/<key>/train_images.npy  uint8 (n, h, w, c)     test_images.npy   uint8 (m, h, w, c)
                  train_labels.npy  int64 (n,)             test_labels.npy   int64 (m,)
                  train_sums.npy    int64 (n, 2, c)        meta.json
                  train_paths.npy   bytes (n,)

`train_sums` holds each image's sums of pixels and of squared pixels per channel, which give mean and deviation of any
subset without reading its pixels. `train_paths` holds the paths below the class folders; it is empty if the images are
not files. A folder gets its name by one rename after all files are written, so an existing folder is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sweep.data.contents import Source
from sweep.errors import DataError
from sweep.records.array_types import Shape
from sweep.records.atomic_writing import sync_tree
from sweep.space.config import DataConfig

CACHE_FORMAT = 2
META = "meta.json"
TRAIN_IMAGES, TRAIN_LABELS, TRAIN_SUMS = "train_images.npy", "train_labels.npy", "train_sums.npy"
TRAIN_PATHS = "train_paths.npy"
TEST_IMAGES, TEST_LABELS = "test_images.npy", "test_labels.npy"
ARRAYS = (TRAIN_IMAGES, TRAIN_LABELS, TRAIN_SUMS, TRAIN_PATHS, TEST_IMAGES, TEST_LABELS)

SCRATCH = ".writing-"
ABANDONED_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Prepared:
    """A decoded source on disk; small and picklable, to be sent to other processes.

    Attributes:
        folder: the folder of the arrays.
        digest: SHA-256 over the training set: pixels, labels, class names, shape, names of skipped files; the same on
            every machine.
        classes: names of the classes, in the order of the labels.
        shape: height, width, channels.
        train, test: number of images (here the training set includes the validation images).
        description: name of the source in messages.
        skipped: number of unreadable files that were left out, including those of the test set.
    """

    folder: str
    digest: str
    classes: tuple[str, ...]
    shape: Shape
    train: int
    test: int
    description: str
    skipped: int = 0


def cache_key(source: Source, config: DataConfig) -> str:
    """The folder name for a source that is decoded with `config`; changes when the source changes.

    `test`, `split_seed` and `group_by` matter only if the source has no separate test set.
    """
    split = None if source.has_test else (config.test, config.split_seed, config.group_by)
    parts = (CACHE_FORMAT, source.fingerprint, config.image_size, config.channels, split, config.on_unreadable)
    name = re.sub(r"[^A-Za-z0-9]+", "-", Path(config.name).stem).strip("-")[:32] or "data"
    return f"{name}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]}"


def read_prepared(folder: Path) -> Prepared | None:
    """Read the description of a folder; None if it is missing, incomplete, or of another format."""
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        if meta["format"] != CACHE_FORMAT or meta["bytes"] != _sizes(folder):
            return None
        content = meta["prepared"]
        lists = {"classes": tuple(content["classes"]), "shape": tuple(content["shape"])}
        return Prepared(**{**content, **lists, "folder": str(folder)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_meta(folder: Path, prepared: Prepared) -> None:
    """Write the description of the folder's arrays, as the last file: `read_prepared` ignores a folder without it."""
    content = {key: value for key, value in asdict(prepared).items() if key != "folder"}
    meta = {"format": CACHE_FORMAT, "bytes": _sizes(folder), "prepared": content}
    (folder / META).write_text(json.dumps(meta, indent=1), encoding="utf-8")


@contextmanager
def scratch_folder(cache: Path) -> Iterator[Path]:
    """Make a folder below `cache`, and remove it at the end unless it was published.

    Raises DataError if the cache cannot be written.
    """
    folder = cache / f"{SCRATCH}{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True)
        _remove_abandoned(cache)
        yield folder
    except OSError as error:
        raise DataError(f"cache `{cache}`: cannot be written: {error}; free space or choose another cache.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(scratch: Path, folder: Path) -> Prepared:
    """Give the scratch folder its final name; if another process was faster, return the arrays of that process."""
    # A memory map that is not synced can, after a power cut, have its full size but only zeros, and seem complete.
    sync_tree(scratch)
    with suppress(OSError):  # `folder` exists, from another process: `rename` cannot replace a folder with content
        scratch.rename(folder)
    prepared = read_prepared(folder)
    if prepared is None:
        with suppress(OSError):  # moves a damaged folder away; another process may have done so already
            folder.rename(folder.with_name(f"{SCRATCH}{uuid.uuid4().hex}"))
        with suppress(OSError):
            scratch.rename(folder)
        prepared = read_prepared(folder)
    if prepared is None:
        raise DataError(
            f"cache `{folder}`: was changed while it was written; remove it and run the same command again."
        )
    return prepared


def check_room(cache: Path, needed: int) -> None:
    """Raise DataError unless `needed` bytes are free: writing a memory map on a full disk kills the process."""
    free = shutil.disk_usage(cache).free
    if free < needed:
        raise DataError(
            f"cache `{cache}`: {needed / 1e9:.1f} GB are needed for the decoded images, {free / 1e9:.1f} GB are free; "
            "free some space, choose another cache, or set a smaller `image_size`."
        )


def _sizes(folder: Path) -> dict[str, int]:
    return {name: os.stat(folder / name).st_size for name in ARRAYS}


def _remove_abandoned(cache: Path) -> None:
    """Remove scratch folders of killed processes that are older than a day."""
    for folder in cache.glob(f"{SCRATCH}*"):
        with suppress(OSError):  # another process may remove it at the same time
            if time.time() - folder.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
