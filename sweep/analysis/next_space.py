"""The next space: the same space with wider ranges at the ends that good trials touch."""

from __future__ import annotations

import copy
import itertools
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sweep.analysis.axes import ordered
from sweep.analysis.touched_bounds import TouchedBound
from sweep.errors import SpaceError
from sweep.space.fields import Value
from sweep.space.parameters import Choice, IntRange, Parameter
from sweep.space.reader import space_from_text
from sweep.space.space import Space
from sweep.space.writer import space_to_mapping

SHARE = 0.5
"""A range grows by this share of its width, on its own scale; by less if the configuration forbids that bound."""
MOST = 10.0
"""Maximum factor between the old and the new bound on a log scale, where half the width may be a factor of 100."""
_SMALLER = (1.0, 0.5, 0.2, 0.1, 0.04)
_LONGEST_NAME = 64


@dataclass(frozen=True)
class Widened:
    """A touched end and its new bound; `new` is None if nothing beyond the old bound is allowed."""

    touch: TouchedBound
    new: Value


@dataclass(frozen=True)
class NextSpace:
    """The next space and its changes; `space` is None if no end could be moved."""

    space: Space | None
    changes: tuple[Widened, ...]


def next_space(space: Space, touched: Iterable[TouchedBound], study: str) -> NextSpace:
    """Widen a space at its touched ends. A change is kept only if `space_from_text` accepts the changed space.

    Args:
        space: the searched space.
        touched: the ends to widen.
        study: name of the next study.
    """
    current, changes = replace(space, study=study), []
    for touch in touched:
        wider, value = _widen(current, touch)
        changes.append(Widened(touch, value))
        current = wider or current
    moved = any(change.new is not None for change in changes)
    return NextSpace(current if moved else None, tuple(changes))


def next_name(study: str, taken: Iterable[str]) -> str:
    """Return the first free name: `vgg-2` after `vgg`, `vgg-3` after `vgg-2`."""
    stem, _, end = study.rpartition("-")
    base, number = (stem, int(end)) if stem and end.isdecimal() and len(end) < 6 else (study, 1)
    names = (base[: _LONGEST_NAME - len(f"-{n}")] + f"-{n}" for n in itertools.count(number + 1))
    used = {*taken, study}
    return next(name for name in names if name not in used)


def _widen(space: Space, touch: TouchedBound) -> tuple[Space | None, Value]:
    parameter = next(parameter for parameter in space.parameters if parameter.name == touch.name)
    for part in _SMALLER:
        value = _beyond(parameter, touch, part)
        wider = _read_back(space, parameter, touch, value) if value is not None else None
        if wider is not None:
            return wider, value
    return None, None


def _beyond(parameter: Parameter, touch: TouchedBound, part: float) -> Value:
    """Return a bound beyond the touched end, by `part` of the usual growth, with few digits; None if there is none."""
    sign = 1 if touch.end == "high" else -1
    if isinstance(parameter, Choice):
        return _next_choice(parameter, sign) if part == 1.0 else None
    low, high, step = parameter.low, parameter.high, parameter.step
    end, growth = (high if sign > 0 else low), SHARE * part * (high - low)
    if parameter.log:
        value = end * min(math.pow(high / low, SHARE * part), MOST) ** sign
    else:
        value = end + sign * (growth if step is None else max(1, round(growth / step)) * step)
    if isinstance(parameter, IntRange):
        return round(value) if (round(value) - end) * sign > 0 else None
    if step is not None and not parameter.log:
        return float(f"{value:.10g}")
    rounded = float(f"{value:.2g}")
    # Two digits are enough, unless they give the old bound again, as for 0.994 with the old bound 0.99.
    return rounded if (rounded - end) * sign > 0 else float(f"{value:.4g}")


def _next_choice(parameter: Choice, sign: int) -> Value:
    """Continue the sequence of the last two choices: 512 after 128 and 256, 5 after 3 and 4."""
    values = ordered(parameter)
    last, before = (values[-1], values[-2]) if sign > 0 else (values[0], values[1])
    whole = isinstance(last, int)
    last, before = float(last), float(before)  # type: ignore[arg-type]
    ratio = last / before if before else 0.0
    doubling = ratio > 0 and (ratio >= 1.5 or ratio <= 1 / 1.5)
    value = last * ratio if doubling else 2 * last - before
    if whole:
        return round(value) if round(value) != round(last) else None
    return float(f"{value:.6g}")


def _read_back(space: Space, parameter: Parameter, touch: TouchedBound, value: Value) -> Space | None:
    """Return the space with this bound; None if the bound is not allowed."""
    mapping = copy.deepcopy(space_to_mapping(space))
    written: Any = mapping
    for key in parameter.path:
        if isinstance(key, str):
            written = written[key]
    if isinstance(parameter, Choice):
        _add_choice(written, parameter, value)
    else:
        written[touch.end] = value
        _add_blocks(mapping, parameter, value)
    try:
        # JSON is valid YAML, so the function that reads space files can decide whether the bound is allowed.
        return space_from_text(json.dumps(mapping), "next_space.yaml")
    except SpaceError:
        return None


def _add_choice(written: dict[str, Any], parameter: Choice, value: Value) -> None:
    """Add a choice to the parameter's list; if all blocks share one list, all of them get the choice."""
    lists = written["choices"]
    target = lists[int(parameter.path[-1])] if lists and isinstance(lists[0], list) else lists
    if value not in target:
        target.append(value)
        target.sort()


def _add_blocks(mapping: Mapping[str, Any], parameter: Parameter, value: Value) -> None:
    """If the new bound allows more blocks, give the additional blocks the choices of the last block."""
    if parameter.path != ("model", "blocks") or not isinstance(value, int):
        return
    for written in mapping["model"].values():
        if isinstance(written, dict) and "each" in written and isinstance(written["choices"][0], list):
            lists = written["choices"]
            lists.extend(list(lists[-1]) for _ in range(value - len(lists)))
