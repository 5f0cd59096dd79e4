"""The contents of a source whose images are NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.data.contents import Advance, Contents, LazyImages, chunks
from sweep.data.pixels import fit_array
from sweep.records.array_types import IntArray, Shape, UInt8Array
from sweep.space.config import DataConfig

ToUInt8 = Callable[[npt.NDArray[Any]], UInt8Array]
CHANNELS = {"grey": 1, "rgb": 3}


def unchanged(images: npt.NDArray[Any]) -> UInt8Array:
    """Convert pixels to uint8 without scaling, because their values are already 0..255."""
    return images.astype(np.uint8, copy=False)


def contents_of_arrays(
    config: DataConfig,
    classes: tuple[str, ...],
    train: tuple[npt.NDArray[Any], IntArray],
    test: tuple[npt.NDArray[Any], IntArray] | None,
    to_uint8: ToUInt8 = unchanged,
) -> Contents:
    """Return the contents of a source from images (n, h, w) or (n, h, w, 1 or 3) and labels (n,).

    When the images are read, `to_uint8` converts the pixels; then the images get the channels and size of `config`.
    """
    _, height, width, channels = with_channels(train[0]).shape
    channels = channels if config.channels is None else CHANNELS[config.channels]
    size = config.image_size
    shape = (height, width, channels) if size is None else (size, size, channels)
    return Contents(
        classes,
        shape,
        _lazy_images(*train, shape, size, to_uint8),
        None if test is None else _lazy_images(*test, shape, size, to_uint8),
    )


def with_channels(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Reshape (n, h, w) to (n, h, w, 1)."""
    return images[..., np.newaxis] if images.ndim == 3 else images


def _lazy_images(
    images: npt.NDArray[Any], labels: IntArray, shape: Shape, size: int | None, to_uint8: ToUInt8
) -> LazyImages:
    stacked = with_channels(images)

    def read(positions: IntArray, out: UInt8Array, advance: Advance) -> None:
        for chunk in chunks(len(positions), shape):
            pixels = to_uint8(stacked[positions[chunk]])
            out[chunk] = pixels if pixels.shape[1:] == shape else [fit_array(one, shape[2], size) for one in pixels]
            advance(len(pixels))

    return LazyImages(labels.astype(np.int64), read)
