"""Parameters of a search space: choices, integer ranges and float ranges, with conditions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard

from sweep.space.fields import Value

Path: TypeAlias = tuple[str | int, ...]
"""Place of a value in the configuration: ("model", "filters", 0)."""

Values: TypeAlias = Mapping[str, Value]
"""Sampled values by parameter name."""


@dataclass(frozen=True)
class Condition:
    """A condition that holds while the parameter `name` is active and has one of `values`."""

    name: str
    values: tuple[Value, ...]

    def holds(self, values: Values) -> bool:
        """True if the condition holds at this point."""
        return self.name in values and any(same(values[self.name], value) for value in self.values)


@dataclass(frozen=True)
class _Parameter:
    """Base class of all parameters.

    Attributes:
        name: the name in the space, in Optuna and in MLflow; unique.
        path: place of the value in the configuration; empty for a switch, the use_… parameter that `or:` defines.
        conditions: the parameter is active while all of them hold.
    """

    name: str
    path: Path
    conditions: tuple[Condition, ...] = ()

    def active(self, values: Values) -> bool:
        """True if the parameter is active, given the values of the parameters before it."""
        return all(condition.holds(values) for condition in self.conditions)


@dataclass(frozen=True)
class Choice(_Parameter):
    """One of several values, in the order of the file."""

    choices: tuple[Value, ...] = ()

    def contains(self, value: Value) -> bool:
        """True if the parameter can have this value."""
        return any(same(value, choice) for choice in self.choices)

    def extremes(self) -> tuple[Value, ...]:
        """Return every choice."""
        return self.choices

    def grid(self) -> Iterator[Value]:
        """Yield every value, in order."""
        yield from self.choices


@dataclass(frozen=True)
class _Range(_Parameter):
    """A number from `low` to `high`, both included, in steps from `low` if `step` is set.

    The sampler draws the number uniformly; with `log`, uniformly in its logarithm (dense near `low`); with
    `reverse_log`, so that `low + high - value` is uniform in its logarithm (dense near `high`).
    """

    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    reverse_log: bool = False

    def extremes(self) -> tuple[Value, ...]:
        """Return the smallest and the largest value."""
        return tuple(dict.fromkeys((self.low, self.high)))


@dataclass(frozen=True)
class IntRange(_Range):
    """A range of integers."""

    low: int = 0
    high: int = 0
    step: int = 1

    def contains(self, value: Value) -> bool:
        """True if the parameter can have this value."""
        whole = isinstance(value, int) and not isinstance(value, bool)  # mypy does not narrow `value` by `whole`
        return whole and self.low <= value <= self.high and (value - self.low) % self.step == 0  # type: ignore[operator]

    def grid(self) -> Iterator[Value]:
        """Yield every value, in order."""
        yield from range(self.low, self.high + 1, self.step)


@dataclass(frozen=True)
class FloatRange(_Range):
    """A range of numbers."""

    def contains(self, value: Value) -> bool:
        """True if the parameter can have this value."""
        if not is_number(value) or not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        steps = (value - self.low) / self.step
        # The sampler computes low + k * step in floating point: a deviation below 1e-8 steps is rounding.
        return math.isclose(steps, round(steps), abs_tol=1e-8)

    def grid(self) -> Iterator[Value]:
        """Yield every value, in order.

        Raises:
            ValueError: the range has no step, so its values cannot be listed.
        """
        if self.step is None:
            raise ValueError(f"{self.name} is continuous: give it a step, or a list of choices")
        for k in range(steps_between(self.low, self.high, self.step) + 1):
            yield min(self.low + k * self.step, self.high)  # 3 * 0.1 is more than 0.3


Parameter: TypeAlias = Choice | IntRange | FloatRange


def needed(parameter: Parameter, by_name: Mapping[str, Parameter]) -> dict[str, tuple[Value, ...]]:
    """Return the values that other parameters, the keys, have if `parameter` is active; () if conditions conflict."""
    found: dict[str, tuple[Value, ...]] = {}
    for condition in parameter.conditions:
        above = needed(by_name[condition.name], by_name)
        for name, values in [*above.items(), (condition.name, condition.values)]:
            found[name] = tuple(v for v in found.get(name, values) if any(same(v, value) for value in values))
    return found


def least(parameter: Parameter) -> Value:
    """Return the smallest number of a range or choice, False for a boolean, or the first value of any other choice."""
    return by_size(parameter.choices)[0] if isinstance(parameter, Choice) else parameter.low


def by_size(choices: tuple[Value, ...]) -> list[Value]:
    """Return the choices in ascending order if all are numbers or booleans; otherwise return only the first one."""
    if all(isinstance(choice, int | float) for choice in choices):
        return sorted(choices)  # type: ignore[type-var]  # mypy does not narrow the elements to numbers
    return [choices[0]]


def mirrored(parameter: Parameter, value: Value) -> Value:
    """Convert a value to the one that the sampler stores, or back; `reverse_log` mirrors it, else it stays the same."""
    if isinstance(parameter, Choice) or not parameter.reverse_log:
        return value
    other = parameter.low + parameter.high - value  # type: ignore[operator]  # mypy does not know that it is a number
    return min(max(other, parameter.low), parameter.high)  # rounding can leave the range


def steps_between(low: float, high: float, step: float) -> int:
    """Return the number of whole steps from `low` to `high`; a last step that lacks at most 1e-8 of its size counts."""
    return math.floor((high - low) / step + 1e-8)


def same(a: Value, b: Value) -> bool:
    """True if two values are equal. True and 1 are different, 1 and 1.0 are equal."""
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def is_number(value: object) -> TypeGuard[int | float]:
    """True for a finite int or float that is not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def put_value(mapping: dict[str, Any], path: Path, value: Any) -> None:
    """Set the value at `path`, and create missing mappings and lists on the way."""
    here: Any = mapping
    for key, below in itertools.pairwise(path):
        here = here.setdefault(key, [] if isinstance(below, int) else {})
    if isinstance(path[-1], int):
        here.append(value)  # the values of a list are set in the order of their index, so this one goes at the end
    else:
        here[path[-1]] = value


def value_at(mapping: Mapping[str, Any], path: Path) -> tuple[bool, Any]:
    """Return whether there is a value at `path`, and the value."""
    here: Any = mapping
    for key in path:
        try:
            here = here[key]
        except (KeyError, IndexError, TypeError):
            return False, None
    return True, here
