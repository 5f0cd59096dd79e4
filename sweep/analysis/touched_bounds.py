"""Which ends of their ranges the good trials touch: there the space may be too narrow."""

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
"""A pile is one if values spread evenly would give it more rarely; a space has some thirty ends to be wrong about."""


@dataclass(frozen=True)
class TouchedBound:
    """Good trials pile up at an end.

    Attributes:
        end: of the range.
        bound: the value there.
        trials: good trials within `ZONE` of the end.
        good: good trials that have the parameter.
        chance: that evenly spread values would pile up so; one-sided binomial tail.
    """

    name: str
    end: Literal["low", "high"]
    bound: Value
    trials: int
    good: int
    chance: float


def touched_bounds(history: History) -> tuple[TouchedBound, ...]:
    """All ends that at least three good trials touch, and more than chance would have it."""
    found = [
        _touch(history, parameter, end)
        for parameter in history.space.parameters
        if is_scale(parameter) and axis_of(parameter).high > axis_of(parameter).low
        for end in ("low", "high")
    ]
    return tuple(touch for touch in found if touch is not None and touch.trials >= GOOD_LEAST and touch.chance < CHANCE)


def _touch(history: History, parameter: Parameter, end: Literal["low", "high"]) -> TouchedBound | None:
    axis = axis_of(parameter)
    if isinstance(parameter, Choice) and len(axis.choices) < 2:
        return None
    places = [axis.place(record.values.get(parameter.name)) for record in history.good]
    known = [place for place in places if place is not None]
    inside = sum(_in_zone(axis, place, end) for place in known)
    bound = (
        (ordered(parameter)[0 if end == "low" else -1]) if isinstance(parameter, Choice) else getattr(parameter, end)
    )
    chance = float(binom.sf(inside - 1, len(known), _even_share(parameter, axis)))
    return TouchedBound(parameter.name, end, bound, inside, len(known), chance)


def _in_zone(axis: Axis, place: float, end: Literal["low", "high"]) -> bool:
    if axis.choices:
        return place == (0 if end == "low" else len(axis.choices) - 1)
    width = ZONE * (axis.high - axis.low) + 1e-12
    return place <= axis.low + width if end == "low" else place >= axis.high - width


def _even_share(parameter: Parameter, axis: Axis) -> float:
    """What share of evenly spread values lies in an end's zone: of a few integers, the last one is much."""
    if axis.choices:
        return 1 / len(axis.choices)
    step: float | None = getattr(parameter, "step", None)
    if step is None or axis.log:
        return ZONE
    values = steps_between(axis.low, axis.high, step) + 1
    return (math.floor(ZONE * (axis.high - axis.low) / step + 1e-8) + 1) / values
