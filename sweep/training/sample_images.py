"""Sample images of a study: some of its training images, and what augmentation makes of them."""

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
from sweep.space.config import AugmentationConfig, DataConfig

SAMPLES_FILE = "samples.npz"
STRENGTHS = (0.0, 0.5, 1.0)
SHOWN, AUGMENTED = 24, 8
"""So many images are kept, and so many of them augmented."""
LONGEST = 192
"""Pixels of the longer side that are kept: enough to look at."""


def write_samples(prepared: Prepared, data: DataConfig, augmentation: AugmentationConfig, folder: Path) -> None:
    """Write `folder/samples.npz` unless it is there. Needs TensorFlow: for `call_in_child`.

    Args:
        prepared: the decoded images.
        data: of the study; decides which of them are training images.
        augmentation: its maxima count, not its strength.
        folder: `studies/NAME/samples`; made when it is not there.

    The file holds `images` uint8 (n, h, w, c), `names` (n,) of their classes, `strengths` float64 (s,) and `augmented`
    uint8 (s, m, h, w, c) of the first m images.
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
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part:
        np.savez_compressed(
            part, images=_reduce(images), names=names, strengths=np.array(STRENGTHS), augmented=_reduce(augmented)
        )


def choose_samples(labels: IntArray, count: int) -> IntArray:
    """Positions of the first images of the classes in turn: one of each class, then a second of each, and so on."""
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    lengths = np.diff(starts, append=len(labels))
    turns = np.arange(len(labels)) - np.repeat(starts, lengths)  # 0 for the first image of its class, 1 for the second
    chosen: IntArray = order[np.argsort(turns, kind="stable")[:count]]
    return chosen


def augment(images: UInt8Array, config: AugmentationConfig) -> UInt8Array:
    """The images as training sees them, before scaling: uint8 (n, h, w, c); the same at every call."""
    pixels = keras.ops.convert_to_tensor(images.astype(np.float32) / 255)
    for layer in augmentation_layers(config, seed=0):
        pixels = layer(pixels, training=True)
    shown: UInt8Array = np.rint(np.clip(keras.ops.convert_to_numpy(pixels), 0, 1) * 255).astype(np.uint8)
    return shown


def _reduce(images: UInt8Array) -> UInt8Array:
    """Every second, third, … pixel of images that are too large to be looked at in a grid."""
    step = -(-max(images.shape[-3:-1]) // LONGEST)
    return images[..., ::step, ::step, :]
