"""The sections about the space: which parameters matter, where the good trials are, and which bounds are too narrow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

from sweep.analysis.axes import applies_when
from sweep.analysis.formatting import count, format_value, listed, share
from sweep.analysis.history import History
from sweep.analysis.next_space import Widened
from sweep.analysis.report_findings import ReportFindings
from sweep.reporting.contour_chart import contour_chart, contour_parameters
from sweep.reporting.document import Chart, Code, Grid, Section, Table
from sweep.reporting.parameter_charts import (
    MOST_AXES,
    MOST_LINES,
    MOST_SLICE_POINTS,
    importance_chart,
    parallel_chart,
    slice_chart,
)
from sweep.space.parameters import Choice, Parameter
from sweep.study.importance import FEWEST, Importances

MOST_SLICES = 9
FEWEST_LINES = 3
FEWEST_HABIT = 10
"""Minimum number of complete trials for a pattern; with fewer, the three good trials are at least a third of them."""
MOST_BARS = 24


def importance_section(history: History, findings: ReportFindings) -> Section:
    """Which parameters mattered?"""
    section = partial(Section, "importance", "Importance", "Which parameters mattered?")
    found, conditions = findings.importances, _conditions(history)
    if not history.space.parameters:
        return section(("The space has no parameters: it is a recipe.",))
    if not found.rows:
        few = (
            f"Too few trials to measure importance: {count(found.trials, 'complete or pruned trial')}, and at least "
            f"{FEWEST} are needed."
        )
        return section((few,), conditions)
    matter = [row.name for row in found.rows if row.matters]
    effect = (
        f"{listed(matter)} made a larger difference than chance explains."
        if matter
        else "No parameter matters more than chance explains: there are too few trials, or all effects are small."
    )
    how = (
        f"Measured by PED-ANOVA: how much the values of the best {share(found.quantile, 1.0)} of "
        f"{count(found.trials, 'complete and pruned trial')} differ from the values of all these trials."
    )
    rows = found.rows[:MOST_BARS]
    note = (
        f"Lines are 90 % intervals over {found.resamples} bootstrap samples of the trials. The red line is the 95th "
        "percentile of the largest importance if the results are shuffled; grey bars do not exceed it."
    )
    if len(rows) < len(found.rows):
        note += f" The {len(rows)} largest of {len(found.rows)} are shown."
    if found.trials < found.available:
        note += f" Computed on {found.trials:,} of {found.available:,} trials, evenly chosen."
    chart = Chart("What distinguishes the best trials", importance_chart(rows), note)
    return section((effect, how), (chart, *conditions))


def _conditions(history: History) -> tuple[Table, ...]:
    """Return a table of the conditional parameters, with their conditions."""
    rows = tuple(
        (p.name, applies_when(p), str(sum(p.name in record.values for record in history.records)))
        for p in history.space.parameters
        if p.conditions
    )
    headings = ("parameter", "applies only if", "trials")
    return (Table(headings, rows, (2,), folded="when conditional parameters apply"),) if rows else ()


def by_importance(history: History, found: Importances) -> list[Parameter]:
    """Return the parameters that had more than one value in the trials, the most important first.

    If the importance is unknown, unconditional parameters come before conditional ones, and parameters on a log scale,
    for example a learning rate, before others.
    """
    order = {row.name: place for place, row in enumerate(found.rows)}
    judged = (*history.ranked, *history.pruned)
    tried = [
        p
        for p in history.space.parameters
        if len({format_value(r.values[p.name]) for r in judged if p.name in r.values}) > 1
    ]
    return sorted(
        tried, key=lambda p: (order.get(p.name, len(order)), bool(p.conditions), not getattr(p, "log", False))
    )


def landscape_section(history: History, findings: ReportFindings) -> Section:
    """Where are the good trials?"""
    section = partial(Section, "landscape", "Landscape", "Where are the good trials?")
    if len(history.ranked) < FEWEST_LINES:
        few = f"{len(history.ranked)}, and at least {FEWEST_LINES} are needed."
        return section((f"Too few complete trials to show a pattern: {few}",))
    parameters = by_importance(history, findings.importances)
    if not parameters:
        return section(("All trials had the same values.",))
    combinations, slices = _parallel(history, parameters, findings), _slices(history, parameters, findings)
    return section((_where(history, parameters),), (combinations, slices, *_contour(history, parameters)))


def _where(history: History, parameters: Sequence[Parameter]) -> str:
    """Return the values of the first three parameters in the best tenth of the trials, as a sentence."""
    if len(history.ranked) < FEWEST_HABIT:
        return f"{count(len(history.ranked), 'complete trial')} so far: what looks like a pattern may be chance."
    habits = [text for parameter in parameters[:3] if (text := _habit(history, parameter))]
    return f"The best {len(history.good)} trials have {listed(habits)}."


def _habit(history: History, parameter: Parameter) -> str:
    values = [record.values[parameter.name] for record in history.good if parameter.name in record.values]
    if not values:
        return ""
    if isinstance(parameter, Choice):
        words = [word for word, _ in Counter(map(format_value, values)).most_common()]
        return f"{parameter.name} {' or '.join(words[:3])}" + (" or others" if len(words) > 3 else "")
    low, high = min(values, key=float), max(values, key=float)  # type: ignore[arg-type]
    return f"{parameter.name} {format_value(low)}" + (f" to {format_value(high)}" if high != low else "")


def _chosen(shown: int, parameters: Sequence[Parameter], findings: ReportFindings) -> str:
    if not findings.importances.rows:
        return f"{shown} of {len(parameters)} parameters; their importance is not known yet."
    return f"The {shown} most important of {len(parameters)} parameters."


def _parallel(history: History, parameters: Sequence[Parameter], findings: ReportFindings) -> Chart:
    chosen = [parameter for parameter in history.space.parameters if parameter in parameters[:MOST_AXES]]
    notes = ["Drag along an axis to show only the trials in that range; click the axis to show all again."]
    if len(parameters) > MOST_AXES:
        notes.append(_chosen(MOST_AXES, parameters, findings))
    if len(history.ranked) > MOST_LINES:
        notes.append(f"{MOST_LINES:,} of {len(history.ranked):,} trials: the best 100 and others, evenly chosen.")
    title = "Which combinations work well? Each line is a complete trial"
    return Chart(title, parallel_chart(history, chosen), " ".join(notes), scroll=True)


def _slices(history: History, parameters: Sequence[Parameter], findings: ReportFindings) -> Grid:
    shown = parameters[:MOST_SLICES]
    charts = tuple(Chart(_slice_title(parameter), slice_chart(history, parameter)) for parameter in shown)
    notes = ["Blue: complete, orange: pruned (best value before pruning), star: the best."]
    if len(parameters) > len(shown):
        notes.append(_chosen(len(shown), parameters, findings))
    if len(history.ranked) > MOST_SLICE_POINTS:
        notes.append(f"{MOST_SLICE_POINTS:,} points each: the best 50 and others, evenly chosen.")
    return Grid("One parameter at a time", charts, " ".join(notes))


def _slice_title(parameter: Parameter) -> str:
    condition = applies_when(parameter)
    return f"{parameter.name}, if {condition}" if condition else parameter.name


def _contour(history: History, parameters: Sequence[Parameter]) -> tuple[Chart, ...]:
    pair = contour_parameters(history, parameters)
    if pair is None:
        return ()
    title = f"Is there a good region of {pair[0].name} and {pair[1].name}?"
    note = "Smoothed over the complete trials (points); blank if no trial is near. The star is the best trial."
    return (Chart(title, contour_chart(history, pair), note),)


def bounds_section(history: History, findings: ReportFindings, command: str, file: str) -> Section:
    """Is the space too narrow?"""
    section, found = partial(Section, "bounds", "Bounds", "Is the space too narrow?"), findings.next_space
    if len(history.good) < FEWEST_LINES:
        return section(("Too few complete trials to tell: at least three good trials at one end are needed.",))
    if not found.changes:
        return section((f"No: the best {len(history.good)} trials are not concentrated at the end of any range.",))
    names = listed(list(dict.fromkeys(change.touch.name for change in found.changes)))
    table = Table(
        ("parameter", "touched end", "good trials there", "next bound"),
        tuple(_bound_cells(change) for change in found.changes),
        (2,),
        "Good trials within 5 % of the end, on the parameter's own scale, and more of them than chance explains.",
    )
    if found.space is None:
        return section((f"The best trials are at an end of {names}, but nothing beyond it is allowed.",), (table,))
    answer = f"Perhaps: the best trials are at an end of {names}; the optimum may be beyond it."
    then = f"{file} next to this report is the same space with wider ranges. Search it and keep the trials so far:"
    return section((answer,), (table, Code(then, command)) if file else (table,))


def _bound_cells(change: Widened) -> tuple[str, ...]:
    touch = change.touch
    return (
        touch.name,
        f"{touch.end} end, {format_value(touch.bound)}",
        f"{touch.trials} of {touch.good}",
        format_value(change.new) if change.new is not None else "none: nothing beyond is allowed",
    )
