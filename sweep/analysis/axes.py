"""The positions of a parameter's values on an axis: numbers by size or logarithm, choices in a row."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sweep.analysis.formatting import format_value, listed
from sweep.space.fields import Value
from sweep.space.parameters import Choice, IntRange, Parameter, is_number, same

_UNITS = {
    "batch_size": "images",
    "rotation": "degrees",
    "filters": "channels",
    "patience": "epochs",
    "cooldown": "epochs",
    "kernel_size": "pixels",
}
"""Units by configuration key; all other parameters have no unit."""

FEW_INTEGERS = 12
"""Maximum width of an integer range whose axis has a tick per value."""


@dataclass(frozen=True)
class Axis:
    """One parameter's axis.

    Attributes:
        title: the parameter's name, unit and scale.
        log: whether positions are base-10 logarithms.
        low, high: the positions of the ends.
        choices: the choices in the order of the axis, at positions 0, 1, …; empty for a range.
        whole: whether the parameter is a range of few integers, with a tick per value.
    """

    name: str
    title: str
    log: bool
    low: float
    high: float
    choices: tuple[Value, ...] = ()
    whole: bool = False

    def place(self, value: Value) -> float | None:
        """Return the position of a value; None if it cannot be on this axis."""
        if self.choices:
            return next((float(i) for i, choice in enumerate(self.choices) if same(choice, value)), None)
        if not is_number(value) or (self.log and value <= 0):
            return None
        return math.log10(value) if self.log else float(value)

    @property
    def ticks(self) -> tuple[tuple[float, ...], tuple[str, ...]] | None:
        """Positions and texts of the ticks; None if the plotting library should choose them."""
        if self.choices:
            positions = tuple(float(i) for i in range(len(self.choices)))
            return positions, tuple(format_value(choice) for choice in self.choices)
        if self.whole:
            steps = range(round(self.low), round(self.high) + 1)
            return tuple(float(step) for step in steps), tuple(str(step) for step in steps)
        if self.log:
            return _log_ticks(self.low, self.high)
        return None


def axis_of(parameter: Parameter) -> Axis:
    """Return the axis of a parameter."""
    title = _title(parameter)
    if isinstance(parameter, Choice):
        choices = ordered(parameter)
        return Axis(parameter.name, title, False, -0.5, len(choices) - 0.5, choices)
    if parameter.log:
        return Axis(parameter.name, title, True, math.log10(parameter.low), math.log10(parameter.high))
    whole = isinstance(parameter, IntRange) and parameter.high - parameter.low <= FEW_INTEGERS
    return Axis(parameter.name, title, False, float(parameter.low), float(parameter.high), whole=whole)


def ordered(choice: Choice) -> tuple[Value, ...]:
    """Return the choices: numbers by size, others as written."""
    return tuple(sorted(choice.choices, key=float)) if is_scale(choice) else choice.choices  # type: ignore[arg-type]


def is_scale(parameter: Parameter) -> bool:
    """True if the values are numbers: for a range, or a choice among numbers."""
    return not isinstance(parameter, Choice) or all(is_number(choice) for choice in parameter.choices)


def applies_when(parameter: Parameter) -> str:
    """Return the conditions as text, `optimizer is sgd and blocks is 3 or 4`; "" for a parameter without conditions."""
    return " and ".join(
        f"{condition.name} is {' or '.join(format_value(value) for value in condition.values)}"
        for condition in parameter.conditions
    )


def _title(parameter: Parameter) -> str:
    key = next((str(part) for part in reversed(parameter.path) if isinstance(part, str)), "")
    notes = [_UNITS[key]] if key in _UNITS else []
    if not isinstance(parameter, Choice) and parameter.log:
        notes.append("log scale")
    return f"{parameter.name} ({listed(notes)})" if notes else parameter.name


def _log_ticks(low: float, high: float) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Return ticks at powers of ten; if fewer than two are in range, at 1, 2 and 5 times them, else at 1 to 9 times."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    for factors in ((1,), (1, 2, 5), tuple(range(1, 10))):
        values = [factor * 10.0**decade for decade in decades for factor in factors]
        inside = [value for value in values if low - 1e-9 <= math.log10(value) <= high + 1e-9]
        if len(inside) >= 2:
            kept = inside[:: math.ceil(len(inside) / 6)]
            return tuple(math.log10(value) for value in kept), tuple(f"{value:.3g}" for value in kept)
    ends = (low, high) if high > low else (low,)
    return ends, tuple(f"{10**end:.3g}" for end in ends)
