"""Charts of a study's final result: the finalists' rounds, the reliability diagram, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sweep.records.final_result import CalibrationBin, FinalistResult
from sweep.reporting.chart_style import BLUE, GREEN, GREY, OBJECTIVE_TITLES, ORANGE, chart_text, figure, rgba, shortened
from sweep.space.config import Objective

COUNTED = 25
"""Maximum number of classes for which the confusion matrix shows the counts."""


def finalists_chart(finalists: Sequence[FinalistResult], winner: int, objective: Objective) -> Any:
    """Return a chart with a box per finalist, a point per round, and a diamond for the score in the search."""
    found = figure(OBJECTIVE_TITLES[objective], "", height=120 + 56 * len(finalists), showlegend=True)
    for row, finalist in enumerate(finalists):
        color = GREEN if finalist.trial == winner else GREY if finalist.dropped else BLUE
        mark = " (winner)" if finalist.trial == winner else " (dropped)" if finalist.dropped else ""
        name = f"trial {finalist.trial}{mark}"
        found.add_box(
            x=list(finalist.scores),
            y=[name] * len(finalist.scores),
            orientation="h",
            boxpoints="all",
            jitter=0.3,
            pointpos=0,
            marker={"color": color, "size": 6},
            line={"color": color, "width": 1.5},
            fillcolor=rgba(color, 0.15),
            text=[f"round {number}" for number in range(1, len(finalist.scores) + 1)],
            hovertemplate="%{text}: %{x:.4f}<extra></extra>",
            hoveron="points",
            showlegend=False,
        )
        found.add_scatter(
            x=[finalist.search_score],
            y=[name],
            mode="markers",
            marker={"symbol": "diamond", "size": 10, "color": ORANGE},
            name="score in the search",
            showlegend=row == 0,
            hovertemplate="in the search %{x:.4f}<extra></extra>",
        )
    found.update_yaxes(autorange="reversed", ticksuffix=" ", type="category")
    return found


def reliability_chart(bins: Sequence[CalibrationBin]) -> Any:
    """Return accuracy by confidence. Bars reach the diagonal if the model is right as often as its confidence says."""
    found = figure("confidence (probability of the predicted class)", "accuracy (share correct)", height=380)
    filled = [b for b in bins if b.images]
    found.add_bar(
        x=[(b.low + b.high) / 2 for b in filled],
        y=[b.accuracy for b in filled],
        width=[b.high - b.low for b in filled],
        marker={"color": BLUE, "line": {"width": 1, "color": rgba(BLUE, 0.4)}},
        name="accuracy",
        customdata=[(b.images, b.confidence) for b in filled],
        hovertemplate="%{customdata[0]} images, confidence %{customdata[1]:.3f}, accuracy %{y:.3f}<extra></extra>",
    )
    found.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dash", "color": GREY}, name="perfect", hoverinfo="skip"
    )
    found.update_xaxes(range=[0, 1])
    found.update_yaxes(range=[0, 1.02])
    return found


def confusion_chart(counts: Sequence[Sequence[int]], names: Sequence[str]) -> Any:
    """Return the confusion matrix, with a row per true class; colours are shares of the row."""
    sums = [max(sum(row), 1) for row in counts]
    shares = [[count / total for count in row] for row, total in zip(counts, sums, strict=True)]
    found = figure("predicted", "true", height=min(max(300 + 26 * len(names), 380), 900))
    found.add_heatmap(
        z=shares,
        zmin=0,
        zmax=1,
        colorscale=[[0, "rgba(66,133,220,0)"], [1, "rgba(66,133,220,0.9)"]],
        text=[[str(count) if count else "" for count in row] for row in counts],
        texttemplate="%{text}" if len(names) <= COUNTED else "",
        customdata=[[chart_text(f"{true} predicted as {other}") for other in names] for true in names],
        hovertemplate="%{customdata}: %{text} images, %{z:.1%} of the class<extra></extra>",
        showscale=False,
    )
    ticks = {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": [shortened(name) for name in names]}
    found.update_xaxes(ticks, showgrid=False)
    found.update_yaxes(ticks, showgrid=False, autorange="reversed")
    return found
