"""Grids of images with captions, as PNG. Class names are drawn as plain text: `$` does not start a formula."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from sweep.pictures.png_figure import new_figure, one_line, save_figure
from sweep.records.array_types import UInt8Array

_DPI = 100
_CELL, _GAP, _LINE, _HEAD = 96, 12, 13, 30
"""In pixels: the side of an image, the space between two images, the heights of a caption line and of the title."""
_CAPTION = 17
"""Maximum number of characters in a caption line."""


def draw_images(
    images: Sequence[UInt8Array], captions: Sequence[Sequence[str]], columns: int, title: str, path: Path
) -> None:
    """Draw a grid of images with captions.

    Args:
        images: uint8 (h, w, c), c is 1 or 3.
        captions: the lines below each image.
        columns: images per row.
        title: text above the grid.
        path: the PNG file.
    """
    lines = max((len(caption) for caption in captions), default=0)
    wide, high = _CELL + _GAP, _CELL + _GAP + _LINE * lines
    rows = -(-len(images) // columns)
    width, height = columns * wide + _GAP, rows * high + _GAP + _HEAD
    canvas = np.full((height, width, 3), 255, dtype=np.uint8)
    figure = new_figure(width / _DPI, height / _DPI, _DPI)
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = _GAP + index % columns * wide, _HEAD + index // columns * high
        picture = _thumbnail(image)
        canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        for line, text in enumerate(caption):
            _write(figure, left, top + _CELL + _LINE * (line + 1), one_line(text, _CAPTION), (width, height))
    _write(figure, _GAP, 19, one_line(title, 100), (width, height), size=9)
    figure.figimage(canvas, 0, 0, zorder=-1)
    save_figure(figure, path)


def _thumbnail(image: UInt8Array) -> UInt8Array:
    """Return the image, uint8 (h, w, 3), scaled so that its longer side fills a cell; small pixels become squares."""
    high, wide = image.shape[:2]
    scale = _CELL / max(high, wide)
    size = max(1, round(wide * scale)), max(1, round(high * scale))
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).convert("RGB")
    return np.asarray(picture.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX))


def _write(figure: Figure, left: int, baseline: int, text: str, size_px: tuple[int, int], size: float = 7.5) -> None:
    width, height = size_px
    figure.text(left / width, 1 - baseline / height, text, fontsize=size, parse_math=False)
