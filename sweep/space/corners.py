"""Points that show the limits of a space: smallest, largest, one per branch, and random draws."""

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
    """Return the point with the smallest numbers, all switches off, and the first value of other choices."""
    return space.suggest(least)


def largest(space: Space) -> Values:
    """Return the point with the largest numbers, all switches on, and the first value of other choices."""
    return space.suggest(lambda p: by_size(p.choices)[-1] if isinstance(p, Choice) else p.high)


def branches(space: Space) -> Iterator[tuple[str, Values]]:
    """Yield a label (`optimizer=sgd`) and a small point for each value of every switch and every choice of words."""
    by_name = {parameter.name: parameter for parameter in space.parameters}
    for parameter in space.parameters:
        if isinstance(parameter, Choice) and not all(is_number(choice) for choice in parameter.choices):
            for choice in parameter.choices:
                forced = {name: values[0] for name, values in needed(parameter, by_name).items()}
                forced[parameter.name] = choice
                label = choice if isinstance(choice, str) else show(choice)
                yield f"{parameter.name}={label}", space.suggest(functools.partial(_forced_or_least, forced))


def draw(space: Space, generator: random.Random) -> Values:
    """Return a random point, with the distribution of the random sampler."""
    return space.suggest(lambda parameter: _draw(parameter, generator))


def _forced_or_least(forced: Values, parameter: Parameter) -> Value:
    return forced[parameter.name] if parameter.name in forced else least(parameter)


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
    return min(max(value, low), high)  # rounding can leave the range
