"""The ends of ranges at which good trials pile up: the space may be too narrow there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scipy.stats import binom

from sweep.analysis.axes import Axis, axis_of, is_scale, ordered
from sweep.analysis.history import GOOD_LEAST, History
from sweep.space.fields import Value
from sweep.space.parameters import Choice, Parameter, steps_between

ZONE = 0.05
"""Share of a range, on its own scale, that counts as its end."""
CHANCE = 0.002
"""An end is touched if its `chance` is below this limit. A space has many ends, so a higher limit would often err."""


@dataclass(frozen=True)
class TouchedBound:
    """An end of a range at which good trials pile up.

    Attributes:
        end: which end of the range.
        bound: the value at that end.
        trials: number of good trials within `ZONE` of the end.
        good: number of good trials that have the parameter.
        chance: probability that at least `trials` of `good` uniform values would be there (one-sided binomial tail).
    """

    name: str
    end: Literal["low", "high"]
    bound: Value
    trials: int
    good: int
    chance: float


def touched_bounds(history: History) -> tuple[TouchedBound, ...]:
    """Return all ends that are touched by at least three good trials and by more than chance explains."""
    found = [
        _touch(history, parameter, end)
        for parameter in history.space.parameters
        if is_scale(parameter) and axis_of(parameter).high > axis_of(parameter).low
        if not isinstance(parameter, Choice) or len(parameter.choices) > 1
        for end in ("low", "high")
    ]
    return tuple(touch for touch in found if touch.trials >= GOOD_LEAST and touch.chance < CHANCE)


def _touch(history: History, parameter: Parameter, end: Literal["low", "high"]) -> TouchedBound:
    axis = axis_of(parameter)
    places = [axis.place(record.values.get(parameter.name)) for record in history.good]
    known = [place for place in places if place is not None]
    inside = sum(_in_zone(axis, place, end) for place in known)
    ends = ordered(parameter) if isinstance(parameter, Choice) else (parameter.low, parameter.high)
    chance = float(binom.sf(inside - 1, len(known), _uniform_share(parameter, axis)))
    return TouchedBound(parameter.name, end, ends[0 if end == "low" else -1], inside, len(known), chance)


def _in_zone(axis: Axis, place: float, end: Literal["low", "high"]) -> bool:
    if axis.choices:
        return place == (0 if end == "low" else len(axis.choices) - 1)
    width = ZONE * (axis.high - axis.low) + 1e-12
    return place <= axis.low + width if end == "low" else place >= axis.high - width


def _uniform_share(parameter: Parameter, axis: Axis) -> float:
    """Return the probability that a uniform value is at a given end; above `ZONE` for few choices or few integers."""
    if axis.choices:
        return 1 / len(axis.choices)
    step: float | None = getattr(parameter, "step", None)
    if step is None or axis.log:
        return ZONE
    values = steps_between(axis.low, axis.high, step) + 1
    return (math.floor(ZONE * (axis.high - axis.low) / step + 1e-8) + 1) / values
