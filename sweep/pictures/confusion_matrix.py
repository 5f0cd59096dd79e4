"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sweep.pictures.image_grids import one_line
from sweep.pictures.png_figure import new_figure, save_figure

_COUNTED, _NAMED = 25, 60
"""Up to so many classes a confusion matrix has its counts, and their names, written into it."""


def draw_confusion(counts: npt.NDArray[np.int64], names: Sequence[str], title: str, path: Path) -> None:
    """A confusion matrix, a row per true class; colours are shares of the row."""
    side = min(max(3.0 + 0.38 * len(names), 4.6), 13.0)
    side = round(side, 2)  # whole pixels
    figure = new_figure(side, side)
    axes = figure.add_axes((0.2, 0.17, 0.77, 0.75))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_title(one_line(title, 60), fontsize=9, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(names) <= _NAMED:
        short = [one_line(name, 14) for name in names]
        axes.set_xticks(range(len(names)), short, rotation=90, fontsize=8, parse_math=False)
        axes.set_yticks(range(len(names)), short, fontsize=8, parse_math=False)
    if len(names) <= _COUNTED:
        for row, column in zip(*np.nonzero(counts), strict=True):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=7, color=colour)
    save_figure(figure, path)
