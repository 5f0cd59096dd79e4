"""What all charts share: colours for light and dark backgrounds, axes, escaped text, and fewer points."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb

from sweep.analysis.axes import Axis
from sweep.analysis.formatting import format_value, metric
from sweep.records.trial_record import TrialRecord
from sweep.space.config import Objective

BLUE, ORANGE, RED, GREEN, GREY, VIOLET = "#4285dc", "#dd8a26", "#d2524e", "#3a9a6b", "#8b929c", "#8a63c9"
STATE_COLORS = {"complete": BLUE, "pruned": ORANGE, "failed": RED, "interrupted": VIOLET, "running": GREY}
SCALE: list[tuple[float, str]] = [(0.0, "#54408c"), (0.35, "#3f7fd1"), (0.7, "#37a68f"), (1.0, "#d9b13b")]
"""The colour scale from bad to good. Its colours differ in lightness and are visible on white and on near black."""

OBJECTIVE_TITLES: dict[Objective, str] = {
    "val_accuracy": "validation accuracy (share correct)",
    "val_loss": "validation loss",
}

T = TypeVar("T")


def chart_text(text: str) -> str:
    """Escape text for a chart, because Plotly interprets some HTML."""
    return html.escape(text, quote=False)


def rgba(color: str, opacity: float) -> str:
    """Add an opacity to a colour of the form #rrggbb."""
    return f"rgba{(*hex_to_rgb(color), opacity)}"


def figure(x: str, y: str, height: int = 360, **layout: Any) -> Any:
    """Return an empty figure; the page adds the colours of text and grid, which depend on the colour scheme."""
    found = go.Figure()
    found.update_layout(
        template=None,
        height=height,
        margin={"l": 64, "r": 16, "t": 28, "b": 52},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hovermode="closest",
        hoverlabel={"namelength": -1, "align": "left"},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 12}},
        xaxis={"title": {"text": chart_text(x)}, "automargin": True, "zeroline": False},
        yaxis={"title": {"text": chart_text(y), "standoff": 12}, "automargin": True, "zeroline": False},
    )
    found.update_layout(**layout)
    return found


def axis_layout(axis: Axis) -> dict[str, Any]:
    """Return the layout of a parameter's axis."""
    margin = (0.35 if axis.whole else 0.03 * (axis.high - axis.low)) or 0.5
    layout: dict[str, Any] = {
        "title": {"text": chart_text(axis.title)},
        "range": [axis.low - margin, axis.high + margin],
    }
    if axis.ticks:
        positions, words = axis.ticks
        layout |= {"tickmode": "array", "tickvals": list(positions), "ticktext": [shortened(word) for word in words]}
    return layout


def shortened(word: str, most: int = 16) -> str:
    """Shorten the text of a tick, so that long choices leave room for the chart."""
    return chart_text(word if len(word) <= most else word[: most - 1] + "…")


def trial_marker(state: str, points: int) -> dict[str, Any]:
    """Return the style of the trials' points, which are larger if there are few of them."""
    complete = state == "complete"
    return {
        "color": STATE_COLORS[state],
        "size": 9 if points < 60 else 6,
        "opacity": 0.8 if complete else 0.65,
        "symbol": "circle" if complete else "x-thin-open",
        "line": {"width": 0 if complete else 1.4},
    }


def trial_text(record: TrialRecord) -> str:
    """Return the text that a trial's point shows on hover."""
    end = chart_text(record.reason) or record.state
    return f"<b>trial {record.number}</b> {metric(record.objective_value)}<br>{record.state}: {end}"


def value_text(name: str, record: TrialRecord) -> str:
    """Return `trial_text` with the value of one parameter added."""
    return f"{trial_text(record)}<br>{chart_text(name)}: {chart_text(format_value(record.values.get(name)))}"


def robust_range(
    values: Sequence[float], keep: Sequence[float] = (), *, colors: bool = False
) -> tuple[float, float] | None:
    """Return the ends of an axis with a margin, without outliers that would squeeze the rest; None without values.

    Values beyond Tukey's outer fences, three interquartile ranges beyond the quartiles, are cut off.

    Args:
        values: the values on the axis.
        keep: values that must be visible.
        colors: whether this is a colour scale. Then low accuracies are cut off too, so that the rest differ in colour.
    """
    if not values:
        return None
    array = np.asarray(values, dtype=float)
    first, third = np.quantile(array, [0.25, 0.75])
    fence = 3.0 * (third - first)
    inside = array[(array >= first - fence) & (array <= third + fence)]
    if not colors and array.min() >= 0 and array.max() <= 1:  # accuracies have no huge outliers
        inside = array
    seen = np.concatenate([inside, np.asarray(keep, dtype=float)])
    low, high = float(seen.min()), float(seen.max())
    margin = 0.06 * (high - low) or max(abs(high) * 0.02, 1e-3)
    return low - margin, high + margin


def thinned(items: Sequence[T], most: int, first: int = 0) -> list[T]:
    """Return at most `most` items: the first `first` items and an even selection of the others."""
    if len(items) <= most:
        return list(items)
    head = list(items[:first])
    rest = items[first:]
    chosen = np.linspace(0, len(rest) - 1, most - len(head)).round().astype(int)
    return head + [rest[i] for i in dict.fromkeys(chosen.tolist())]
