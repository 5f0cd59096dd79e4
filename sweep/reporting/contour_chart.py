"""The objective as a landscape over two searched numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from sweep.analysis.axes import Axis, axis_of
from sweep.analysis.formatting import format_value
from sweep.analysis.history import History, value_of
from sweep.records.trial_record import TrialRecord
from sweep.reporting.chart_style import (
    GREEN,
    GREY,
    SCALE,
    axis_layout,
    chart_text,
    figure,
    robust_range,
    thinned,
    value_text,
)
from sweep.space.parameters import Choice, Parameter

FEWEST = 12
"""Minimum number of complete trials for a contour chart."""
CELLS = 40
NEAR = 0.35
"""A cell is blank if the sum of the trials' weights in it is smaller. A trial in the middle of a cell has weight 1."""
MOST_POINTS = 400


def contour_parameters(history: History, parameters: Sequence[Parameter]) -> tuple[Parameter, Parameter] | None:
    """Return the first two ranges for which at least `FEWEST` complete trials have values; None without such a pair."""
    ranges = [p for p in parameters if not isinstance(p, Choice) and p.low < p.high]
    for first, second in combinations(ranges, 2):
        if len(_placed(history.ranked, axis_of(first), axis_of(second))) >= FEWEST:
            return first, second
    return None


def _placed(records: Sequence[TrialRecord], x: Axis, y: Axis) -> list[tuple[TrialRecord, float, float]]:
    places = ((r, x.place(r.values.get(x.name)), y.place(r.values.get(y.name))) for r in records)
    return [(record, px, py) for record, px, py in places if px is not None and py is not None]


def contour_chart(history: History, parameters: tuple[Parameter, Parameter]) -> Any:
    """Return the smoothed objective over two parameters, blank where no trial is near; the points are the trials."""
    x, y = (axis_of(parameter) for parameter in parameters)
    placed = _placed(history.ranked, x, y)
    values = np.array([value_of(record) for record, _, _ in placed])
    low, high = robust_range(values.tolist(), values[:1].tolist(), colors=True) or (0.0, 1.0)
    grid_x, grid_y = np.linspace(x.low, x.high, CELLS), np.linspace(y.low, y.high, CELLS)
    points = np.array([[(px - x.low) / (x.high - x.low), (py - y.low) / (y.high - y.low)] for _, px, py in placed])
    surface = smooth(points, np.clip(values, low, high))
    found = figure(x.title, y.title, height=440, showlegend=False)
    colors = SCALE if history.maximize else [[1 - place, color] for place, color in reversed(SCALE)]
    found.add_contour(
        x=grid_x,
        y=grid_y,
        z=[[None if np.isnan(cell) else float(cell) for cell in row] for row in surface],
        colorscale=colors,
        ncontours=14,
        line={"width": 0.5},
        colorbar={"title": {"text": history.objective, "side": "right"}, "thickness": 12, "outlinewidth": 0},
        hoverinfo="skip",
        opacity=0.85,
    )
    _add_trials(found, thinned(placed, MOST_POINTS, first=50), x, y)
    found.update_xaxes(axis_layout(x), showgrid=False)
    found.update_yaxes(axis_layout(y), showgrid=False)
    return found


def _add_trials(found: Any, placed: Sequence[tuple[TrialRecord, float, float]], x: Axis, y: Axis) -> None:
    others = len(placed) - 1  # the best trial comes first
    found.add_scatter(
        x=[px for _, px, _ in placed],
        y=[py for _, _, py in placed],
        mode="markers",
        marker={
            "size": [17] + [5] * others,
            "symbol": ["star"] + ["circle"] * others,
            "color": [GREEN] + ["#ffffff"] * others,
            "line": {"color": ["#ffffff"] + [GREY] * others, "width": 1},
        },
        text=[
            f"{value_text(x.name, record)}<br>{chart_text(y.name)}: {chart_text(format_value(record.values[y.name]))}"
            for record, _, _ in placed
        ],
        hovertemplate="%{text}<extra></extra>",
    )


def smooth(points: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the Nadaraya-Watson regression with a Gaussian kernel over the unit square.

    The bandwidth is Scott's n^(-1/6) (Scott 1992) times 0.29, the standard deviation of a uniform distribution.

    Args:
        points: (n, 2), within the unit square.
        values: (n,).

    Returns:
        (CELLS, CELLS), rows are y; NaN if no point is near.
    """
    width = 0.29 * len(points) ** (-1 / 6)
    ticks = np.linspace(0, 1, CELLS)
    along_x = np.exp(-0.5 * ((ticks[:, None] - points[:, 0]) / width) ** 2)
    along_y = np.exp(-0.5 * ((ticks[:, None] - points[:, 1]) / width) ** 2)
    weights = along_y @ along_x.T
    sums = (along_y * values) @ along_x.T
    found: np.ndarray[Any, Any] = np.where(weights > NEAR, sums / np.maximum(weights, 1e-300), np.nan)
    return found
