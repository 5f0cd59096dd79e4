"""Pixels for pictures: the decoded training part in the cache, and the study's own samples."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sweep.data.cache import TRAIN_IMAGES, read_prepared
from sweep.records.array_types import UInt8Array

SAMPLES = Path("samples") / "samples.npz"
"""Below a study's folder; written by `sweep.training.sample_images`."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Some training images, and what augmentation makes of the first of them.

    Attributes:
        images: uint8 (n, h, w, c).
        names: (n,), of their classes.
        strengths: of the augmentation.
        augmented: uint8 (strengths, m, h, w, c), of the first m images.
    """

    images: UInt8Array
    names: tuple[str, ...]
    strengths: tuple[float, ...]
    augmented: UInt8Array


def cached_images(cache: Path | None, digest: str) -> UInt8Array | None:
    """The decoded training part with this digest, uint8 (n, h, w, c), memory-mapped; None where it is gone."""
    if cache is None or not cache.is_dir():
        return None
    for folder in sorted(cache.iterdir()):
        prepared = read_prepared(folder)
        if prepared is not None and prepared.digest == digest:
            try:
                images: UInt8Array = np.load(folder / TRAIN_IMAGES, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError):
                return None
            return images
    return None


def read_samples(study_folder: Path) -> Samples | None:
    """The study's samples; None where there are none."""
    try:
        with np.load(study_folder / SAMPLES, allow_pickle=False) as stored:
            strengths = tuple(float(strength) for strength in stored["strengths"])
            names = tuple(str(name) for name in stored["names"])
            return Samples(stored["images"], names, strengths, stored["augmented"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
