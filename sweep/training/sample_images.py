"""Sample images of a study: some of its training images, with and without augmentation."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import keras
import numpy as np

from sweep.data.cache import Prepared
from sweep.data.loading import load
from sweep.models.preprocessing import augmentation_layers
from sweep.records.array_types import IntArray, UInt8Array
from sweep.records.atomic_writing import atomic_write
from sweep.records.held_file import HeldFile
from sweep.records.study_lock import check_lock
from sweep.space.config import AugmentationConfig, DataConfig

SAMPLES_FILE = "samples.npz"
STRENGTHS = (0.0, 0.5, 1.0)
SHOWN, AUGMENTED = 24, 8
"""Number of images in the file, and how many of them are augmented."""
LONGEST = 192
"""Maximum number of pixels of an image's longer side in the file."""


def write_samples(
    prepared: Prepared, data: DataConfig, augmentation: AugmentationConfig, folder: Path, lock: HeldFile | None = None
) -> None:
    """Write `folder/samples.npz` unless it exists. Runs in a child process.

    The file has `images` uint8 (n, h, w, c), their class `names` (n,), `strengths` float64 (s,) and `augmented`
    uint8 (s, m, h, w, c), made from the first m images.

    Args:
        prepared: the decoded images.
        data: the study's section `data`, which decides which images are training images.
        augmentation: the section whose maxima are shown; its strength is ignored.
        folder: `studies/NAME/samples`; created if missing, but not its parent.
        lock: the file of the study's lock, if the caller's process holds it.

    Raises:
        StudyError: the study's folder was moved, removed or replaced; nothing is written.
    """
    path = folder / SAMPLES_FILE
    if path.exists():
        return
    train = load(prepared, data).train
    positions = choose_samples(train.labels, SHOWN)
    images = train.batch(positions)
    some = images[:AUGMENTED]
    augmented = np.stack([augment(some, dataclasses.replace(augmentation, strength=s)) for s in STRENGTHS])
    names = np.array([prepared.classes[label] for label in train.labels[positions]], dtype=np.str_)
    if lock is not None:
        check_lock(lock)
    folder.mkdir(exist_ok=True)
    with atomic_write(path) as part:
        np.savez_compressed(
            part, images=_reduce(images), names=names, strengths=np.array(STRENGTHS), augmented=_reduce(augmented)
        )


def choose_samples(labels: IntArray, count: int) -> IntArray:
    """Return positions of images, one class after the other: an image of each class, a second image of each class, …"""
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    lengths = np.diff(starts, append=len(labels))
    turns = np.arange(len(labels)) - np.repeat(starts, lengths)  # 0 for the first image of its class, 1 for the second
    chosen: IntArray = order[np.argsort(turns, kind="stable")[:count]]
    return chosen


def augment(images: UInt8Array, config: AugmentationConfig) -> UInt8Array:
    """Return the images, augmented with a fixed seed but not scaled: uint8 (n, h, w, c)."""
    pixels = keras.ops.convert_to_tensor(images.astype(np.float32) / 255)
    for layer in augmentation_layers(config, seed=0):
        pixels = layer(pixels, training=True)
    shown: UInt8Array = np.rint(np.clip(keras.ops.convert_to_numpy(pixels), 0, 1) * 255).astype(np.uint8)
    return shown


def _reduce(images: UInt8Array) -> UInt8Array:
    """Reduce images that are too large for a grid to every second, third, … pixel in both directions."""
    step = -(-max(images.shape[-3:-1]) // LONGEST)
    return images[..., ::step, ::step, :]
