"""Charts of the parameters: importance, slices, parallel coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sweep.analysis.axes import Axis, axis_of
from sweep.analysis.history import History, value_of
from sweep.records.trial_record import TrialRecord
from sweep.reporting.chart_style import (
    BLUE,
    GREEN,
    GREY,
    RED,
    SCALE,
    axis_layout,
    figure,
    robust_range,
    shortened,
    thinned,
    trial_marker,
    value_text,
)
from sweep.space.parameters import Parameter
from sweep.study.importance import Importance

MOST_SLICE_POINTS = 500
MOST_LINES = 500
MOST_AXES = 8


def importance_chart(rows: Sequence[Importance]) -> Any:
    """Return a bar per parameter with its interval, and a line for the largest importance that chance explains."""
    found = figure("share of the total importance (%)", "", height=90 + 26 * len(rows))
    names = [shortened(row.name, 32) for row in rows]
    found.add_bar(
        y=names,
        x=[100 * row.share for row in rows],
        orientation="h",
        marker={"color": [BLUE if row.matters else GREY for row in rows]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, 100 * (row.high - row.share)) for row in rows],
            "arrayminus": [max(0.0, 100 * (row.share - row.low)) for row in rows],
            "thickness": 1.2,
            "width": 3,
            "color": GREY,
        },
        customdata=[[100 * row.low, 100 * row.high, 100 * row.chance, row.trials] for row in rows],
        hovertemplate=(
            "%{y}: %{x:.1f} %<br>90 % interval %{customdata[0]:.1f} to %{customdata[1]:.1f} %"
            "<br>by chance up to %{customdata[2]:.1f} %<br>in %{customdata[3]:,} trials<extra></extra>"
        ),
        name="importance, 90 % interval",
    )
    found.add_scatter(
        x=[100 * rows[0].chance] * 2,
        y=[names[0], names[-1]],
        mode="lines",
        line={"color": RED, "width": 1.5, "dash": "dot"},
        name="95 % limit of chance",
        hoverinfo="skip",
    )
    found.update_yaxes(autorange="reversed", ticksuffix=" ", dtick=1)
    found.update_xaxes(rangemode="tozero")
    return found


def slice_chart(history: History, parameter: Parameter) -> Any:
    """Return a chart of the objective by one parameter; each point is a trial."""
    axis = axis_of(parameter)
    found = figure(axis.title, history.objective, height=300, showlegend=False)
    found.update_xaxes(axis_layout(axis))
    pruned, complete = _with(history.pruned, parameter), _with(history.ranked, parameter)
    others = [record for record in complete if record is not history.ranked[0]]
    for records in (thinned(pruned, MOST_SLICE_POINTS // 2), thinned(others, MOST_SLICE_POINTS, first=50)):
        if records:
            _add_points(found, records, axis)
    if complete and complete[0] is history.ranked[0]:
        found.add_scatter(
            x=[axis.place(complete[0].values[axis.name])],
            y=[value_of(complete[0])],
            mode="markers",
            marker={"symbol": "star", "size": 13, "color": GREEN},
            text=[value_text(axis.name, complete[0])],
            hovertemplate="%{text}<br>the best<extra></extra>",
            name="best",
        )
    values = [value_of(record) for record in (*complete, *pruned)]
    found.update_yaxes(range=robust_range(values, [value_of(record) for record in complete[:1]]))
    return found


def _with(records: Sequence[TrialRecord], parameter: Parameter) -> list[TrialRecord]:
    axis = axis_of(parameter)
    return [r for r in records if parameter.name in r.values and axis.place(r.values[parameter.name]) is not None]


def _add_points(found: Any, records: Sequence[TrialRecord], axis: Axis) -> None:
    state = records[0].state
    # The points of a category are spread, so that they do not hide each other. The horizontal offset has no meaning.
    reach = 0.22 if axis.choices or axis.whole else 0.0
    jitter = np.random.default_rng(0).uniform(-reach, reach, len(records))
    found.add_scatter(
        x=[(axis.place(r.values[axis.name]) or 0.0) + float(j) for r, j in zip(records, jitter, strict=True)],
        y=[value_of(record) for record in records],
        mode="markers",
        marker=trial_marker(state, len(records)),
        name=state,
        text=[value_text(axis.name, record) for record in records],
        hovertemplate="%{text}<extra></extra>",
    )


def parallel_chart(history: History, parameters: Sequence[Parameter]) -> Any:
    """Return the parallel coordinates of the complete trials."""
    records = list(reversed(thinned(history.ranked, MOST_LINES, first=100)))  # the best are drawn last, on top
    values = [value_of(record) for record in records]
    found = figure("", "", height=420)
    lowest, highest = robust_range(values, values[-1:], colors=True) or (0.0, 1.0)
    found.add_parcoords(
        dimensions=[
            *(_dimension(axis_of(parameter), records) for parameter in parameters),
            {"label": history.objective, "values": values, "range": [min(values), max(values)]},
        ],
        line={
            "color": [history.loss(value) for value in values],
            "colorscale": [[1 - place, color] for place, color in reversed(SCALE)],
            "cmin": min(history.loss(lowest), history.loss(highest)),
            "cmax": max(history.loss(lowest), history.loss(highest)),
        },
        labelangle=-18,
        labelside="top",
        unselected={"line": {"opacity": 0.06}},
    )
    found.update_layout(margin={"l": 70, "r": 50, "t": 90, "b": 24})
    return found


def _dimension(axis: Axis, records: Sequence[TrialRecord]) -> dict[str, Any]:
    """Return an axis; trials without the parameter are drawn below its low end."""
    span = axis.high - axis.low or 1.0
    low, high = (0.0, len(axis.choices) - 1.0) if axis.choices else (axis.low, axis.high)
    missing = low - 0.12 * span
    places = [axis.place(record.values[axis.name]) if axis.name in record.values else None for record in records]
    lacking = any(place is None for place in places)
    ticks, words = axis.ticks or _even_ticks(low, high)
    return {
        "label": shortened(axis.name, 22),
        "values": [missing if place is None else place for place in places],
        "range": [missing if lacking else low, high if high > low else low + 1.0],
        "tickvals": [*([missing] if lacking else []), *ticks],
        # Not escaped: Plotly does not interpret HTML here.
        "ticktext": [*(["not used"] if lacking else []), *(word[:14] for word in words)],
    }


def _even_ticks(low: float, high: float) -> tuple[tuple[float, ...], tuple[str, ...]]:
    whole = float(low).is_integer() and float(high).is_integer() and high - low <= 12
    places = np.arange(low, high + 1) if whole else np.linspace(low, high, 5)
    return tuple(places.tolist()), tuple(f"{place:.3g}" for place in places)
