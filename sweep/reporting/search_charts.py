"""Charts of the search itself: progress, pruning, time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sweep.analysis.formatting import metric
from sweep.analysis.history import History
from sweep.analysis.progress import Progress, Step, TimeSpent
from sweep.analysis.pruning_effects import PruningSummary
from sweep.reporting.chart_style import (
    GREEN,
    OBJECTIVE_TITLES,
    STATE_COLORS,
    figure,
    robust_range,
    thinned,
    trial_marker,
)

MOST_POINTS = 1_500
FEW_HOURS = 2.0
"""Minimum hours of a search that is drawn in hours; shorter searches are drawn in minutes."""


def progress_chart(history: History, progress: Progress, *, by_hours: bool) -> Any:
    """Return a chart of each trial's value and the best value so far, by ended trials or by hours of search."""
    minutes = by_hours and progress.hours < FEW_HOURS
    x = f"time of search ({'minutes' if minutes else 'hours'})" if by_hours else "ended trials"
    found = figure(x, OBJECTIVE_TITLES[history.objective], showlegend=True)

    def place(step: Step) -> float:
        return (step.hours * 60 if minutes else step.hours) if by_hours else step.place

    for state in ("pruned", "complete"):
        steps = thinned([s for s in progress.steps if s.state == state and s.value is not None], MOST_POINTS)
        if steps:
            found.add_scatter(
                x=[place(step) for step in steps],
                y=[step.value for step in steps],
                mode="markers",
                marker=trial_marker(state, len(steps)),
                name=state if state == "complete" else "pruned (best value before pruning)",
                text=[f"<b>trial {step.number}</b> {metric(step.value)}<br>{step.state}" for step in steps],
                hovertemplate="%{text}<extra></extra>",
            )
    line = _corners([step for step in progress.steps if step.best is not None])
    if line:
        found.add_scatter(
            x=[place(step) for step in line],
            y=[step.best for step in line],
            mode="lines+markers" if len(line) == 1 else "lines",
            line={"shape": "hv", "color": GREEN, "width": 2.5},
            name="best so far",
            hovertemplate="best so far %{y:.4f}<extra></extra>",
        )
    values = [step.value for step in progress.steps if step.value is not None]
    found.update_yaxes(range=robust_range(values, [step.best for step in line if step.best is not None][-1:]))
    found.update_xaxes(rangemode="tozero", dtick=1 if not by_hours and len(progress.steps) <= 12 else None)
    return found


def _corners(steps: Sequence[Step]) -> list[Step]:
    """Return the steps at which the best value changes, and the last step."""
    kept = [step for i, step in enumerate(steps) if i == 0 or step.best != steps[i - 1].best]
    return [*kept, steps[-1]] if steps and kept[-1] is not steps[-1] else kept


def pruning_chart(summary: PruningSummary) -> Any:
    """Return a chart of the number of pruned trials by epoch."""
    found = figure("pruned after epoch", "pruned trials", height=280)
    found.add_bar(
        x=list(summary.cuts),
        y=list(summary.cuts.values()),
        width=0.8,
        marker={"color": STATE_COLORS["pruned"]},
        hovertemplate="%{y} trials pruned after epoch %{x}<extra></extra>",
    )
    found.update_xaxes(dtick=1 if len(summary.cuts) < 15 and max(summary.cuts, default=0) < 25 else None)
    found.update_yaxes(dtick=1 if max(summary.cuts.values(), default=0) <= 8 else None)
    return found


def time_chart(rows: Sequence[TimeSpent]) -> Any:
    """Return a bar per state, divided into fit, build and rest."""
    whole = max((row.total for row in rows), default=0.0)
    unit, divisor = ("hours", 3600.0) if whole >= 7200 else ("minutes", 60.0) if whole >= 120 else ("seconds", 1.0)
    found = figure(f"summed time ({unit})", "", height=110 + 42 * len(rows), barmode="stack")
    names = [f"{row.state} ({row.trials:,})" for row in rows]
    for part, color in (("fit", "#3f7fd1"), ("build", "#37a68f"), ("rest", "#8b929c")):
        found.add_bar(
            y=names,
            x=[getattr(row, part) / divisor for row in rows],
            orientation="h",
            name=part,
            marker={"color": color},
            hovertemplate=f"{part} %{{x:.3g}} {unit}<extra></extra>",
        )
    found.update_yaxes(autorange="reversed", ticksuffix=" ")
    found.update_layout(legend={"traceorder": "normal"})
    return found
