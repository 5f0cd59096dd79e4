"""Examine one image: whether its file can be decoded, what decoding would lose, and hashes to find duplicates."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import imagehash
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sweep.data.pixels import fit_image
from sweep.records.array_types import UInt8Array

FileFault = Literal["missing", "empty", "truncated", "corrupt", "bomb"]
"""Why a file cannot be decoded. A `bomb` is a small file with more pixels than Pillow agrees to decode."""

Trait = Literal["huge", "animated", "deep", "cmyk", "grey_alpha", "transparent"]
"""What decoding to 8-bit grey or RGB loses, or `huge`: an image whose decoding takes gigabytes of memory."""

ANIMATED = ("GIF", "PNG", "WEBP")
"""Formats in which a second picture means an animation; in others, such as a phone's JPEG, it may be a preview."""
ENDS = {b"\x89PNG": b"IEND", b"\xff\xd8": b"\xff\xd9"}
"""By the first bytes of a file: bytes that a complete file has near its end; if they are missing, it is truncated."""
PNG_DEPTH = 24
"""Position of a PNG file's byte for the bits per channel: Pillow does not report that it reduces 16-bit colour to 8."""

SIDE = 8
"""Side of the small copy in pixels."""
FLAT = 6.0
"""An image has too little content to compare if the standard deviation of its small copy (0..255) is below this."""


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


@dataclass(frozen=True)
class FileFacts:
    """The result of examining a file.

    Attributes:
        content: SHA-256 of the file's bytes; empty if they cannot be read.
        reason: details of the fault, or of the trait `deep`.
        width, height: size of the upright image; 0 if it cannot be decoded.
        image_hash: hash of the image; None if it cannot be decoded.
    """

    content: bytes
    fault: FileFault | None = None
    reason: str = ""
    width: int = 0
    height: int = 0
    traits: tuple[Trait, ...] = ()
    image_hash: ImageHash | None = None


def examine(path: Path) -> FileFacts:
    """Read and decode a file; faults are returned, not raised."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return FileFacts(b"", "missing", error.strerror or type(error).__name__)
    content = hashlib.sha256(data).digest()
    if not data:
        return FileFacts(content, "empty", "0 bytes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about large images and odd metadata; traits report what matters
        try:
            return _decode(data, content)
        except Image.DecompressionBombError as error:
            return FileFacts(content, "bomb", _first_sentence(error))
        except UnidentifiedImageError:
            return FileFacts(content, "corrupt", "not an image of a known format")
        except Exception as error:  # damaged files raise many types: OSError, SyntaxError, struct.error, ...
            return FileFacts(content, _damage(data, error), _first_sentence(error))


def _decode(data: bytes, content: bytes) -> FileFacts:
    with Image.open(io.BytesIO(data)) as image:
        traits = _traits(image, data)
        reason = "16 bits per channel" if "deep" in traits else ""
        if _is_deep_grey(image):
            reason = f"values up to {int(np.asarray(image).max())} of 65535"
        ImageOps.exif_transpose(image, in_place=True)
        pixels = fit_image(image, 3, None)
    height, width, _ = pixels.shape
    return FileFacts(content, None, reason, width, height, traits, hash_of(pixels))


def _traits(image: Image.Image, data: bytes) -> tuple[Trait, ...]:
    found: list[Trait] = []
    if image.width * image.height > (Image.MAX_IMAGE_PIXELS or np.inf):
        found.append("huge")
    if image.format in ANIMATED and getattr(image, "is_animated", False):
        found.append("animated")
    if _is_deep_grey(image) or (image.format == "PNG" and data[PNG_DEPTH] == 16):
        found.append("deep")
    if image.mode == "CMYK":
        found.append("cmyk")
    if image.mode in ("LA", "La"):
        found.append("grey_alpha")
    elif image.has_transparency_data and np.asarray(image.convert("RGBA").getchannel("A")).min() < 255:
        found.append("transparent")
    return tuple(found)


def _is_deep_grey(image: Image.Image) -> bool:
    return image.mode == "I" or image.mode.startswith("I;16")


def _damage(data: bytes, error: Exception) -> FileFault:
    ends = [end for begin, end in ENDS.items() if data.startswith(begin)]
    lacks_end = bool(ends) and ends[0] not in data[-4096:]
    return "truncated" if lacks_end or "truncated" in str(error).lower() else "corrupt"


def _first_sentence(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")


def hash_of(pixels: UInt8Array) -> ImageHash:
    """Return the hashes of an upright image, uint8 (h, w, 1 or 3)."""
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
