"""The two most important numbers against each other, with the objective as a landscape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

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
    trial_text,
)
from sweep.space.parameters import Choice, Parameter

FEWEST = 12
"""Complete trials that a landscape needs."""
CELLS = 40
NEAR = 0.35
"""Sum of weights below which a cell is left blank: less than a third of a trial is near."""
MOST_POINTS = 400


def contour_parameters(history: History, parameters: Sequence[Parameter]) -> tuple[Parameter, Parameter] | None:
    """The first two ranges that enough complete trials have both of; None where there are none."""
    ranges = [
        parameter for parameter in parameters if not isinstance(parameter, Choice) and parameter.low < parameter.high
    ]
    for i, first in enumerate(ranges):
        for second in ranges[i + 1 :]:
            if len(_placed(history.ranked, axis_of(first), axis_of(second))) >= FEWEST:
                return first, second
    return None


def _placed(records: Sequence[TrialRecord], x: Axis, y: Axis) -> list[tuple[TrialRecord, float, float]]:
    found = []
    for record in records:
        places = x.place(record.values.get(x.name)), y.place(record.values.get(y.name))
        if places[0] is not None and places[1] is not None:
            found.append((record, places[0], places[1]))
    return found


def contour_chart(history: History, parameters: tuple[Parameter, Parameter]) -> Any:
    """A smoothed objective over both, blank where no trial is near; points are the trials."""
    x, y = (axis_of(parameter) for parameter in parameters)
    placed = _placed(history.ranked, x, y)
    values = np.array([value_of(record) for record, _, _ in placed])
    low, high = robust_range(values.tolist(), values[:1].tolist(), colors=True) or (0.0, 1.0)
    grid_x, grid_y = np.linspace(x.low, x.high, CELLS), np.linspace(y.low, y.high, CELLS)
    points = np.array([[(px - x.low) / (x.high - x.low), (py - y.low) / (y.high - y.low)] for _, px, py in placed])
    surface = smooth(points, np.clip(values, low, high))
    found = figure(x.title, y.title, height=440, showlegend=False)
    colors = SCALE if history.maximize else [[1 - place, color] for place, color in reversed(SCALE)]
    found.add_trace(
        go.Contour(
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
    )
    found.add_trace(_trials(thinned(placed, MOST_POINTS, first=50), x, y))
    found.update_xaxes(axis_layout(x), showgrid=False)
    found.update_yaxes(axis_layout(y), showgrid=False)
    return found


def _trials(placed: Sequence[tuple[TrialRecord, float, float]], x: Axis, y: Axis) -> Any:
    def text(record: TrialRecord) -> str:
        return "<br>".join(
            [
                trial_text(record),
                *(f"{chart_text(a.name)}: {chart_text(format_value(record.values[a.name]))}" for a in (x, y)),
            ]
        )

    return go.Scatter(
        x=[px for _, px, _ in placed],
        y=[py for _, _, py in placed],
        mode="markers",
        marker={
            "size": [17 if i == 0 else 5 for i in range(len(placed))],
            "symbol": ["star" if i == 0 else "circle" for i in range(len(placed))],
            "color": [GREEN if i == 0 else "#ffffff" for i in range(len(placed))],
            "line": {"color": ["#ffffff" if i == 0 else GREY for i in range(len(placed))], "width": 1},
        },
        text=[text(record) for record, _, _ in placed],
        hovertemplate="%{text}<extra></extra>",
    )


def smooth(points: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Nadaraya-Watson regression with a Gaussian kernel over the unit square; rows are y.

    The bandwidth is Scott's n^(-1/6) (Scott 1992) times 0.29, the deviation of an even spread over the unit square.

    Args:
        points: (n, 2), within the unit square.
        values: (n,).

    Returns:
        (CELLS, CELLS); NaN where no point is near.
    """
    width = 0.29 * len(points) ** (-1 / 6)
    ticks = np.linspace(0, 1, CELLS)
    along_x = np.exp(-0.5 * ((ticks[:, None] - points[:, 0]) / width) ** 2)
    along_y = np.exp(-0.5 * ((ticks[:, None] - points[:, 1]) / width) ** 2)
    weights = along_y @ along_x.T
    sums = (along_y * values) @ along_x.T
    found: np.ndarray[Any, Any] = np.where(weights > NEAR, sums / np.maximum(weights, 1e-300), np.nan)
    return found
