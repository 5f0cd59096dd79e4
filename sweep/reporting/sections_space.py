"""The sections about the space: what mattered, where good trials lie, which bounds they touch."""

from __future__ import annotations

from collections.abc import Sequence

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
"""With fewer complete trials the good ones are nearly all."""
MOST_BARS = 24


def importance_section(history: History, findings: ReportFindings) -> Section:
    """What mattered?"""
    question, found = "Which parameters mattered?", findings.importances
    if not history.space.parameters:
        return Section("importance", "Importance", question, ("The space searches nothing: it is a recipe.",))
    if not found.rows:
        return Section("importance", "Importance", question, (_too_few(found),), _conditions(history))
    matter = [row.name for row in found.rows if row.matters]
    sure = (
        f"{listed(matter)} made the difference, more than chance would give."
        if matter
        else "None can be told from chance: the trials are too few, or nothing in this space matters much."
    )
    how = (
        f"Measured by PED-ANOVA: how much the values of the best {share(found.quantile, 1.0)} of "
        f"{count(found.trials, 'complete and pruned trial')} differ from those of all."
    )
    rows = found.rows[:MOST_BARS]
    left = f" The {len(rows)} largest of {len(found.rows)}." if len(rows) < len(found.rows) else ""
    evenly = f" Computed on {found.trials:,} of {found.available:,} trials, evenly chosen." if _subset(found) else ""
    note = (
        f"Lines are 90 % intervals over {found.resamples} bootstrap samples of the trials; the red line is "
        f"what the luckiest parameter stays below in 95 % of shuffled results. Grey bars do not pass it.{left}{evenly}"
    )
    chart = Chart("What separates the best trials from all", importance_chart(rows), note)
    return Section("importance", "Importance", question, (sure, how), (chart, *_conditions(history)))


def _subset(found: Importances) -> bool:
    return found.trials < found.available


def _too_few(found: Importances) -> str:
    return (
        f"Too few trials to tell: {count(found.trials, 'complete or pruned trial')}, and below {FEWEST} an importance "
        "would be a picture of chance."
    )


def _conditions(history: History) -> tuple[Table, ...]:
    """When conditional parameters apply."""
    rows = tuple((p.name, applies_when(p), str(_having(history, p))) for p in history.space.parameters if p.conditions)
    if not rows:
        return ()
    return (
        Table(("parameter", "applies only while", "trials"), rows, (2,), folded="when conditional parameters apply"),
    )


def _having(history: History, parameter: Parameter) -> int:
    return sum(parameter.name in record.values for record in history.records)


def by_importance(history: History, found: Importances) -> list[Parameter]:
    """The parameters that several values were tried of, the most important first.

    Where no importance is known: those that every trial has before conditional ones, and first those that are searched
    over orders of magnitude, a learning rate for example.
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
    """Where do good trials lie?"""
    question = "Where do the good trials lie?"
    if len(history.ranked) < FEWEST_LINES:
        few = f"Too few complete trials to see a pattern: {len(history.ranked)}, and {FEWEST_LINES} are the least."
        return Section("landscape", "Landscape", question, (few,))
    parameters = by_importance(history, findings.importances)
    if not parameters:
        return Section("landscape", "Landscape", question, ("All trials had the same values.",))
    answer = (_where(history, parameters),)
    return Section(
        "landscape",
        "Landscape",
        question,
        answer,
        (
            _parallel(history, parameters, findings),
            _slices(history, parameters, findings),
            *_contour(history, parameters),
        ),
    )


def _where(history: History, parameters: Sequence[Parameter]) -> str:
    """Where the best tenth is, for the first parameters."""
    if len(history.ranked) < FEWEST_HABIT:
        return f"{count(len(history.ranked), 'complete trial')} so far: what looks like a pattern may be chance."
    told = [text for parameter in parameters[:3] if (text := _habit(history, parameter))]
    return f"The best {len(history.good)} trials have {listed(told)}." if told else "The good trials are spread out."


def _habit(history: History, parameter: Parameter) -> str:
    values = [record.values[parameter.name] for record in history.good if parameter.name in record.values]
    if not values:
        return ""
    if isinstance(parameter, Choice):
        words = sorted(
            {format_value(value) for value in values}, key=lambda word: -sum(format_value(v) == word for v in values)
        )
        return f"{parameter.name} {' or '.join(words[:3])}" + (" or others" if len(words) > 3 else "")
    low, high = min(values, key=float), max(values, key=float)  # type: ignore[arg-type]
    return f"{parameter.name} {format_value(low)}" + (f" to {format_value(high)}" if high != low else "")


def _chosen(shown: int, parameters: Sequence[Parameter], findings: ReportFindings) -> str:
    if not findings.importances.rows:
        return f"{shown} of {len(parameters)} parameters; which of them matter is not known yet."
    return f"The {shown} most important of {len(parameters)} parameters."


def _parallel(history: History, parameters: Sequence[Parameter], findings: ReportFindings) -> Chart:
    shown = [parameter.name for parameter in history.space.parameters if parameter in parameters[:MOST_AXES]]
    chosen = [parameter for parameter in history.space.parameters if parameter.name in shown]
    notes = ["Drag along an axis to keep only the trials that pass there; click it to let go."]
    if len(parameters) > MOST_AXES:
        notes.append(_chosen(MOST_AXES, parameters, findings))
    if len(history.ranked) > MOST_LINES:
        notes.append(f"The best 100 and an even choice of the others: {MOST_LINES:,} of {len(history.ranked):,} lines.")
    title = "Which combinations do well? One line is one complete trial"
    return Chart(title, parallel_chart(history, chosen), " ".join(notes), scroll=True)


def _slices(history: History, parameters: Sequence[Parameter], findings: ReportFindings) -> Grid:
    shown = parameters[:MOST_SLICES]
    charts = tuple(Chart(_slice_title(parameter), slice_chart(history, parameter)) for parameter in shown)
    notes = ["Blue: complete, orange: pruned (value at the cut), star: the best."]
    if len(parameters) > len(shown):
        notes.append(_chosen(len(shown), parameters, findings))
    if len(history.ranked) > MOST_SLICE_POINTS:
        notes.append(f"The best 50 and an even choice of the others, {MOST_SLICE_POINTS:,} points each.")
    return Grid("One parameter at a time", charts, " ".join(notes))


def _slice_title(parameter: Parameter) -> str:
    condition = applies_when(parameter)
    return f"{parameter.name}, while {condition}" if condition else parameter.name


def _contour(history: History, parameters: Sequence[Parameter]) -> tuple[Chart, ...]:
    pair = contour_parameters(history, parameters)
    if pair is None:
        return ()
    title = f"Is there a good region of {pair[0].name} and {pair[1].name}?"
    note = "Smoothed over the complete trials (points); blank where none is near; the star is the best."
    return (Chart(title, contour_chart(history, pair), note),)


def bounds_section(history: History, findings: ReportFindings, command: str, file: str) -> Section:
    """Is the space too narrow?"""
    question, found = "Is the space too narrow?", findings.next_space
    if len(history.good) < FEWEST_LINES:
        few = "Too few complete trials to tell: it takes three good ones at one end of a range."
        return Section("bounds", "Bounds", question, (few,))
    if not found.changes:
        none = f"No: the best {len(history.good)} trials pile up at no end of a range."
        return Section("bounds", "Bounds", question, (none,))
    names = listed(list(dict.fromkeys(change.touch.name for change in found.changes)))
    table = Table(
        ("parameter", "touched end", "good trials there", "next bound"),
        tuple(_bound_cells(change) for change in found.changes),
        (2,),
        "Within 5 % of the end, on the parameter's own scale, and more of them than chance would put there.",
    )
    if found.space is None:
        answer = f"The best trials lie at an end of {names}, but nothing beyond it is allowed."
        return Section("bounds", "Bounds", question, (answer,), (table,))
    answer = f"Perhaps: the best trials lie at an end of {names}; the optimum may be beyond it."
    then = (
        f"{file} beside this report is the same space, wider there. The trials so far are taken along:" if file else ""
    )
    code = (Code(then, command),) if file else ()
    return Section("bounds", "Bounds", question, (answer,), (table, *code))


def _bound_cells(change: Widened) -> tuple[str, ...]:
    touch = change.touch
    return (
        touch.name,
        f"{touch.end} end, {format_value(touch.bound)}",
        f"{touch.trials} of {touch.good}",
        format_value(change.new) if change.new is not None else "none: nothing beyond is allowed",
    )
