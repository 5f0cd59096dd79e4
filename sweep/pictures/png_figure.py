"""Figures as PNG files, made without pyplot, because pyplot keeps global state and is not thread-safe."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def new_figure(width: float, height: float, dpi: int = 100) -> Figure:
    """Return an empty figure of this size in inches."""
    figure = Figure(figsize=(width, height), dpi=dpi)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; equal figures give equal files."""
    # The default metadata contains matplotlib's version, so equal figures would differ between versions.
    figure.savefig(path, format="png", metadata={"Software": None})


def one_line(text: str, limit: int) -> str:
    """Return text that is safe to draw: printable, on one line, at most `limit` characters."""
    clean = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
