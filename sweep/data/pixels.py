"""One image of any mode and size as uint8 (h, w, c)."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Literal

import numpy as np
from PIL import Image, ImageOps

from sweep.records.array_types import UInt8Array

GREY_MODES = frozenset({"1", "L", "LA", "La", "I"})


def fit_image(image: Image.Image, channels: int, size: int | None) -> UInt8Array:
    """The image as uint8 (h, w, channels), resized to `size` x `size` pixels unless `size` is None.

    Drops transparency, and the lower 8 bits of 16-bit grey. Resizing is bilinear with antialiasing and does not keep
    the aspect ratio. Raises ValueError for grey values beyond 16 bits.
    """
    fitted = _convert(image, "L" if channels == 1 else "RGB")
    if size is not None and fitted.size != (size, size):
        fitted = fitted.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(fitted, dtype=np.uint8).reshape(fitted.height, fitted.width, channels)


def fit_array(pixels: UInt8Array, channels: int, size: int | None) -> UInt8Array:
    """Like `fit_image`, for pixels uint8 (h, w, 1 or 3)."""
    if pixels.shape[2] == channels and (size is None or pixels.shape[:2] == (size, size)):
        return pixels
    return fit_image(Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels), channels, size)


def read_image(path: Path | IO[bytes], channels: int, size: int | None) -> UInt8Array:
    """Decode the first frame of a file, turn it upright by its EXIF orientation, then call `fit_image`.

    A JPEG file much larger than `size` is decoded at a reduced size, which is at least twice `size`.
    Raises Pillow's exceptions for files that it cannot decode.
    """
    with Image.open(path) as image:
        if size is not None:
            image.draft(None, (2 * size, 2 * size))
        ImageOps.exif_transpose(image, in_place=True)
        return fit_image(image, channels, size)


def is_colour(path: Path) -> bool:
    """True if the file's mode, or any entry of its palette, has colour; does not decode the pixels."""
    with Image.open(path) as image:
        if image.mode == "P":
            palette = np.asarray(image.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
            return bool((palette != palette[:, :1]).any())
        return image.mode not in GREY_MODES and not image.mode.startswith("I;16")


def _convert(image: Image.Image, mode: Literal["L", "RGB"]) -> Image.Image:
    if image.mode == mode:
        return image
    if image.mode == "I" or image.mode.startswith("I;16"):
        image = _upper_byte(image)  # Pillow would clip 16-bit values at 255: nearly all pixels would be white
    if "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns if a transparent palette is converted directly to RGB
    return image.convert(mode)


def _upper_byte(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(f"expected grey values of 8 or 16 bits, received {values.min()} to {values.max()}")
    return Image.fromarray((values >> 8).astype(np.uint8))
