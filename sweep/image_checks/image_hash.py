"""Hashes that show whether two images are equal or nearly equal."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import imagehash
import numpy as np
from PIL import Image

from sweep.records.array_types import UInt8Array

SIDE = 8
"""Side of the small copy in pixels."""
FLAT = 6.0
"""Standard deviation (of 255) of the small copy below which an image has too little content to compare."""


@dataclass(frozen=True, slots=True)
class ImageHash:
    """The hashes of an image.

    Attributes:
        pixels: SHA-256 over size and RGB pixels of the upright image at full size.
        phash: perceptual hash of 64 bits (imagehash.phash: signs of the low frequencies of a cosine transform).
        small: the image as 8 x 8 RGB, 192 bytes.
        flat: True if the image has nearly one colour, so that `phash` is meaningless.
    """

    pixels: bytes
    phash: int
    small: bytes
    flat: bool


def hash_of(pixels: UInt8Array) -> ImageHash:
    """The hash of an upright image, uint8 (h, w, 1 or 3)."""
    rgb = np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
    image = Image.fromarray(rgb)
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    bits = imagehash.phash(image).hash
    return ImageHash(
        pixels=hashlib.sha256(f"{image.size}".encode() + rgb.tobytes()).digest(),
        phash=int.from_bytes(np.packbits(bits).tobytes(), "big"),
        small=small.tobytes(),
        flat=bool(np.asarray(small, dtype=np.float32).std(axis=(0, 1)).max() < FLAT),
    )
