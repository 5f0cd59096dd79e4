"""Figures as PNG files. Uses matplotlib's objects, not pyplot, which keeps global state and is not made for threads."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def new_figure(width: float, height: float, dpi: int = 100) -> Figure:
    """An empty figure of this size in inches."""
    figure = Figure(figsize=(width, height), dpi=dpi)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; equal figures give equal files."""
    # Software would be matplotlib's version and make equal pictures differ.
    figure.savefig(path, format="png", metadata={"Software": None})
