"""Points that show a space's limits: smallest, largest, one per branch, and random draws."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from sweep.space.config import Value
from sweep.space.parameters import Choice, FloatRange, Parameter, Values
from sweep.space.space import Space


def smallest(space: Space) -> Values:
    """Every number at its least, every switch off, the first of other choices."""
    return space.suggest(_least)


def largest(space: Space) -> Values:
    """Every number at its most, every switch on, the first of other choices."""
    return space.suggest(_most)


def branches(space: Space) -> Iterator[tuple[str, Values]]:
    """For each choice that is not a number, a small point with each of its values: (`optimizer=sgd`, point)."""
    by_name = {parameter.name: parameter for parameter in space.parameters}
    for parameter in space.parameters:
        if isinstance(parameter, Choice) and not all(_is_number(choice) for choice in parameter.choices):
            for choice in parameter.choices:
                forced = {**_needed(parameter, by_name), parameter.name: choice}
                yield (
                    f"{parameter.name}={choice}",
                    space.suggest(functools.partial(_forced_or_least, forced)),
                )


def draw(space: Space, generator: random.Random) -> Values:
    """A random point, as the random sampler would draw it."""
    return space.suggest(lambda parameter: _draw(parameter, generator))


def _forced_or_least(forced: Values, parameter: Parameter) -> Value:
    return forced[parameter.name] if parameter.name in forced else _least(parameter)


def _needed(parameter: Parameter, by_name: dict[str, Parameter]) -> dict[str, Value]:
    """Values under which the parameter is active."""
    needed: dict[str, Value] = {}
    for condition in parameter.conditions:
        needed.update(_needed(by_name[condition.name], by_name))
        needed[condition.name] = condition.values[0]
    return needed


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _least(parameter: Parameter) -> Value:
    if not isinstance(parameter, Choice):
        return parameter.low
    return _by_size(parameter)[0]


def _most(parameter: Parameter) -> Value:
    if not isinstance(parameter, Choice):
        return parameter.high
    ordered = _by_size(parameter)
    return ordered[-1] if all(isinstance(choice, int | float) for choice in ordered) else ordered[0]


def _by_size(choice: Choice) -> list[Value]:
    """Numbers and switches in order of size; words as written."""
    if all(isinstance(value, int | float) for value in choice.choices):
        return sorted(choice.choices, key=lambda value: value)  # type: ignore[arg-type,return-value]
    return list(choice.choices)


def _draw(parameter: Parameter, generator: random.Random) -> Value:
    if isinstance(parameter, Choice):
        return generator.choice(parameter.choices)
    if isinstance(parameter, FloatRange) and parameter.step is None:
        if parameter.log:
            value = math.exp(generator.uniform(math.log(parameter.low), math.log(parameter.high)))
        else:
            value = generator.uniform(parameter.low, parameter.high)
        return min(max(value, parameter.low), parameter.high)
    if isinstance(parameter, FloatRange):
        return generator.choice(list(parameter.grid()))
    if parameter.log:
        value = math.exp(generator.uniform(math.log(parameter.low - 0.5), math.log(parameter.high + 0.5)))
        return min(max(round(value), parameter.low), parameter.high)
    return generator.randrange(parameter.low, parameter.high + 1, parameter.step)
