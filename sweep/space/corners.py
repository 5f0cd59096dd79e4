"""Points that show a space's limits: smallest, largest, one per branch, and random draws."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Iterator
from dataclasses import replace

from sweep.space.fields import Value
from sweep.space.parameters import (
    Choice,
    FloatRange,
    Parameter,
    Values,
    by_size,
    is_number,
    least,
    mirrored,
    needed,
    steps_between,
)
from sweep.space.space import Space
from sweep.space.wording import show


def smallest(space: Space) -> Values:
    """Every number at its least, every switch off, the first of other choices."""
    return space.suggest(least)


def largest(space: Space) -> Values:
    """Every number at its most, every switch on, the first of other choices."""
    return space.suggest(_most)


def branches(space: Space) -> Iterator[tuple[str, Values]]:
    """For each choice that is not a number, a small point with each of its values: (`optimizer=sgd`, point)."""
    by_name = {parameter.name: parameter for parameter in space.parameters}
    for parameter in space.parameters:
        if isinstance(parameter, Choice) and not all(is_number(choice) for choice in parameter.choices):
            for choice in parameter.choices:
                forced = {name: values[0] for name, values in needed(parameter, by_name).items()}
                forced[parameter.name] = choice
                label = choice if isinstance(choice, str) else show(choice)
                yield f"{parameter.name}={label}", space.suggest(functools.partial(_forced_or_least, forced))


def draw(space: Space, generator: random.Random) -> Values:
    """A random point, as the random sampler would draw it."""
    return space.suggest(lambda parameter: _draw(parameter, generator))


def _forced_or_least(forced: Values, parameter: Parameter) -> Value:
    return forced[parameter.name] if parameter.name in forced else least(parameter)


def _most(parameter: Parameter) -> Value:
    if not isinstance(parameter, Choice):
        return parameter.high
    return by_size(parameter.choices)[-1]


def _draw(parameter: Parameter, generator: random.Random) -> Value:
    if isinstance(parameter, Choice):
        return generator.choice(parameter.choices)
    if parameter.reverse_log:
        return mirrored(parameter, _draw(replace(parameter, log=True, reverse_log=False), generator))
    if isinstance(parameter, FloatRange):
        return _draw_float(parameter, generator)
    if parameter.log:
        value = math.exp(generator.uniform(math.log(parameter.low - 0.5), math.log(parameter.high + 0.5)))
        return min(max(round(value), parameter.low), parameter.high)
    return generator.randrange(parameter.low, parameter.high + 1, parameter.step)


def _draw_float(parameter: FloatRange, generator: random.Random) -> float:
    low, high = parameter.low, parameter.high
    if parameter.step is not None:
        value = low + generator.randint(0, steps_between(low, high, parameter.step)) * parameter.step
    elif parameter.log:
        value = math.exp(generator.uniform(math.log(low), math.log(high)))
    else:
        value = generator.uniform(low, high)
    return min(max(value, low), high)  # rounding may leave the range
