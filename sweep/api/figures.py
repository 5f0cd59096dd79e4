"""The charts of the report for notebooks, in colours that are readable on light and dark backgrounds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from sweep.analysis.formatting import count
from sweep.analysis.history import History
from sweep.analysis.progress import progress, time_spent
from sweep.analysis.pruning_effects import summarize_pruning
from sweep.errors import NothingFinished, StudyError
from sweep.reporting.contour_chart import FEWEST as FEWEST_CONTOUR
from sweep.reporting.contour_chart import contour_chart, contour_parameters
from sweep.reporting.curve_charts import curves_chart, has_curves
from sweep.reporting.parameter_charts import MOST_AXES, importance_chart, parallel_chart, slice_chart
from sweep.reporting.search_charts import progress_chart, pruning_chart, time_chart
from sweep.reporting.sections_space import by_importance
from sweep.space.parameters import Parameter
from sweep.space.wording import did_you_mean
from sweep.study.importance import FEWEST as FEWEST_IMPORTANCE
from sweep.study.importance import Importances, importances

if TYPE_CHECKING:
    import plotly.graph_objects as go

_INK = "#7b838f"
"""A contrast of 3.8 against white and of 4.6 against #111111."""
_GRID = "rgba(128,134,145,0.25)"


class Figures:
    """Each method returns one chart as a Plotly figure, which a notebook displays.

    Args:
        history: the trials to draw.

    All methods raise NothingFinished if there is no trial to draw yet, and StudyError for a parameter that the space
    does not have.
    """

    def __init__(self, history: History) -> None:
        self._history = history

    def history(self, by: Literal["trials", "hours"] = "trials") -> go.Figure:
        """Plot the objective of each trial and the best so far, by the number of ended trials or by hours."""
        course = progress(self._history)
        self._need(any(step.value is not None for step in course.steps), "no trial has ended with a value yet")
        return _readable(progress_chart(self._history, course, by_hours=by == "hours"))

    def curves(self) -> go.Figure:
        """Plot the objective against epochs: a line per trial, or quantile bands for many trials."""
        self._need(has_curves(self._history), "no complete or pruned trial has an epoch yet")
        return _readable(curves_chart(self._history))

    def hours(self) -> go.Figure:
        """Plot the time spent on fitting, building and the rest, by how the trials ended."""
        rows = time_spent(self._history)
        self._need(bool(rows), "there is no trial yet")
        return _readable(time_chart(rows))

    def pruning(self) -> go.Figure:
        """Plot the number of pruned trials by the epoch after which they were stopped."""
        summary = summarize_pruning(self._history)
        self._need(bool(summary.cuts), "no trial was pruned")
        return _readable(pruning_chart(summary))

    def importance(self) -> go.Figure:
        """Plot how much each parameter influences whether a trial is among the best (PED-ANOVA), with 90 % intervals.

        Takes seconds, because the intervals come from bootstrap samples.
        """
        found = self._importances
        have = f"the study has {count(found.trials, 'complete or pruned trial')}"
        self._need(bool(found.rows), f"{have}, but the importance of parameters needs {FEWEST_IMPORTANCE}")
        return _readable(importance_chart(found.rows))

    def parallel(self, parameters: Sequence[str] | None = None) -> go.Figure:
        """Plot the complete trials in parallel coordinates.

        Args:
            parameters: names of the axes, in order; by default the eight most important.
        """
        self._need(bool(self._history.ranked), "no trial is complete yet")
        if parameters is None:
            return _readable(parallel_chart(self._history, by_importance(self._history, self._importances)[:MOST_AXES]))
        return _readable(parallel_chart(self._history, [self._parameter(name) for name in parameters]))

    def slice(self, parameter: str) -> go.Figure:
        """Plot the objective against one parameter, with a point for each trial that has it."""
        chosen = self._parameter(parameter)
        having = [r for r in (*self._history.ranked, *self._history.pruned) if parameter in r.values]
        self._need(bool(having), f"no complete or pruned trial has {parameter} yet")
        return _readable(slice_chart(self._history, chosen))

    def contour(self, x: str | None = None, y: str | None = None) -> go.Figure:
        """Plot the objective as a landscape over two numeric parameters.

        Args:
            x, y: names of the parameters; by default the two most important ones.
        """
        by_default = by_importance(self._history, self._importances) if x is None or y is None else []
        named = [self._parameter(name) for name in (x, y) if name is not None]
        pair = contour_parameters(self._history, [*named, *(p for p in by_default if p not in named)])
        if pair is None or not all(parameter in pair for parameter in named):
            raise NothingFinished(
                f"study {self._history.study}: a contour chart needs {FEWEST_CONTOUR} complete trials with the "
                "same two parameters, which must have ranges"
            )
        return _readable(contour_chart(self._history, pair))

    @cached_property
    def _importances(self) -> Importances:
        return importances(self._history.space, self._history.records)

    def _parameter(self, name: str) -> Parameter:
        """Return the parameter with this name.

        Raises:
            StudyError: the space has no such parameter.
        """
        known = {parameter.name: parameter for parameter in self._history.space.parameters}
        if name not in known:
            hint = did_you_mean(name, list(known))
            raise StudyError(f"study {self._history.study} has no parameter `{name}`; it has {', '.join(known)}{hint}")
        return known[name]

    def _need(self, condition: bool, message: str) -> None:
        if not condition:
            raise NothingFinished(f"study {self._history.study}: {message}")


def _readable(figure: go.Figure) -> go.Figure:
    """Set the colours of text and grid; in the report, the page's style sheet sets them."""
    figure.update_layout(font={"color": _INK}, modebar={"bgcolor": "rgba(0,0,0,0)"})
    figure.update_xaxes(gridcolor=_GRID, linecolor=_GRID)
    figure.update_yaxes(gridcolor=_GRID, linecolor=_GRID)
    # Plotly draws a white shadow behind the ticks of parallel coordinates, which is visible on dark backgrounds.
    figure.update_traces(tickfont={"shadow": "none"}, selector={"type": "parcoords"})
    return figure
