"""Learning curves: a line per trial if there are few, quantile bands if there are many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sweep.analysis.history import History
from sweep.records.trial_record import TrialRecord
from sweep.reporting.chart_style import BLUE, GREEN, GREY, OBJECTIVE_TITLES, STATE_COLORS, figure, rgba, robust_range

FEW = 15
"""Maximum number of trials for which each curve is drawn as a line."""
TOP = 10
FEWEST = 5
"""Minimum number of values for quantiles."""
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class Band:
    """Quantiles of the objective after an epoch, over the trials that trained this epoch.

    Attributes:
        quantiles: the 10th, 25th, 50th, 75th and 90th percentile.
    """

    epoch: int
    trials: int
    quantiles: tuple[float, ...]


def bands(history: History) -> tuple[Band, ...]:
    """Return a band per epoch that at least `FEWEST` complete or pruned trials have finished."""
    by_epoch: dict[int, list[float]] = {}
    for record in history.of("complete", "pruned"):
        for epoch, metrics in enumerate(record.epochs, start=1):
            by_epoch.setdefault(epoch, []).append(metrics.value(history.objective))
    return tuple(
        Band(epoch, len(values), tuple(float(q) for q in np.quantile(values, _QUANTILES)))
        for epoch, values in sorted(by_epoch.items())
        if len(values) >= FEWEST
    )


def has_curves(history: History) -> bool:
    """True if there is a curve to draw."""
    return any(record.epochs for record in history.of("complete", "pruned"))


def curves_chart(history: History) -> Any:
    """Return a chart of the objective by epoch."""
    found = figure("epoch", OBJECTIVE_TITLES[history.objective], height=420)
    drawn = [record for record in history.of("complete", "pruned") if record.epochs]
    top = [record for record in history.ranked if record.epochs][:TOP]
    if len(drawn) > FEW:
        _add_bands(found, history)
    else:
        for record in drawn:
            if record not in top:
                _add_line(found, history, record, STATE_COLORS[record.state], 1.2)
    for place, record in reversed(list(enumerate(top))):
        color, width = (GREEN, 3.0) if place == 0 else (BLUE, 1.3)
        legend = {0: f"the winner, trial {record.number}", 1: "the next best"}.get(place, "")
        _add_line(found, history, record, color, width, legend)
    values = [metrics.value(history.objective) for record in drawn[:2000] for metrics in record.epochs]
    found.update_yaxes(range=robust_range(values, [record.objective_value or 0.0 for record in top]))
    longest = max((len(record.epochs) for record in drawn), default=0)
    found.update_xaxes(rangemode="tozero", tickformat="d", dtick=1 if longest <= 12 else None)
    found.update_layout(legend={"traceorder": "reversed"})
    return found


def _add_line(found: Any, history: History, record: TrialRecord, color: str, width: float, legend: str = "") -> None:
    values = [metrics.value(history.objective) for metrics in record.epochs]
    found.add_scatter(
        x=list(range(1, len(values) + 1)),
        y=values,
        mode="lines+markers" if len(values) < 3 else "lines",
        line={"color": color, "width": width, "dash": "dot" if record.state == "pruned" else "solid"},
        marker={"size": 5},
        name=legend,
        opacity=1.0 if width > 2 else 0.75,
        hovertemplate=f"trial {record.number}, epoch %{{x}}: %{{y:.4f}}<extra></extra>",
        showlegend=bool(legend),
    )


def _add_bands(found: Any, history: History) -> None:
    shown = bands(history)
    epochs = [band.epoch for band in shown]
    for low, high, opacity, name in ((0, 4, 0.16, "middle 80 %"), (1, 3, 0.28, "middle 50 %")):
        found.add_scatter(
            x=epochs + epochs[::-1],
            y=[band.quantiles[high] for band in shown] + [band.quantiles[low] for band in reversed(shown)],
            fill="toself",
            fillcolor=rgba(GREY, opacity),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            name=name,
        )
    found.add_scatter(
        x=epochs,
        y=[band.quantiles[2] for band in shown],
        mode="lines",
        line={"color": GREY, "width": 2, "dash": "dash"},
        name="median",
        text=[f"{band.trials:,} trials" for band in shown],
        hovertemplate="median after epoch %{x}: %{y:.4f} (%{text})<extra></extra>",
    )
