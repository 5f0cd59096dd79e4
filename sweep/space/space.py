"""The search space: frozen and valid; it samples points, builds configurations and checks points."""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sweep.space.config import DataConfig, SearchConfig, TrialConfig, config_from_mapping, config_to_mapping
from sweep.space.fields import Value
from sweep.space.model_sections import HypermodelConfig, UserBuilderConfig
from sweep.space.parameters import Choice, IntRange, Parameter, Values, least, put_value, same, value_at
from sweep.space.wording import did_you_mean, show

Choose = Callable[[Parameter], Value]
"""A function that returns a value for an active parameter: from a sampler, at random, the smallest or the largest."""


@dataclass(frozen=True)
class StartPoint:
    """A point that is tried before the points of the sampler.

    Attributes:
        name: the file of the recipe, or `start_from[0]` for a point in the space file.
        values: the value of every parameter that is active at this point.
        notes: the fixed values of the space that differ from the recipe, in words.
    """

    name: str = field(compare=False)
    values: Values
    notes: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Space:
    """A search space: what may vary and what is fixed.

    Attributes:
        study: default name of the study.
        template: the fixed values by section, as JSON values.
        parameters: in sampling order: each comes after the parameters in its conditions.
        start_from: points that are tried first.
    """

    study: str
    template: Mapping[str, Any]
    parameters: tuple[Parameter, ...]
    search: SearchConfig
    start_from: tuple[StartPoint, ...] = field(default=())

    @property
    def is_recipe(self) -> bool:
        """True if nothing is searched. False for a hypermodel, whose parameters are found later."""
        return not self.parameters and "hypermodel" not in self.template.get("model", {})

    @functools.cached_property
    def smallest_config(self) -> TrialConfig:
        """The smallest point's configuration, to read what all trials share: `data`, `epochs`, kind of model."""
        return self.config(self.suggest(least))

    @property
    def data(self) -> DataConfig:
        """The section `data`, the same in all trials."""
        return self.smallest_config.data

    @property
    def epochs(self) -> int:
        """Maximum number of epochs per trial, the same in all trials."""
        return self.smallest_config.training.epochs

    @property
    def has_user_model(self) -> bool:
        """True if the model is a user builder or a hypermodel."""
        return isinstance(self.smallest_config.model, UserBuilderConfig | HypermodelConfig)

    def suggest(self, choose: Choose) -> dict[str, Value]:
        """Sample a point: `choose` picks the value of each active parameter in turn."""
        values: dict[str, Value] = {}
        for parameter in self.parameters:
            if parameter.active(values):
                values[parameter.name] = choose(parameter)
        return values

    def config(self, values: Values, *, seed: int = 0, threads: int = 1) -> TrialConfig:
        """Return the configuration of a point, with the trial's seed and the number of TensorFlow's threads.

        Raises:
            ValueError: a value is missing, unknown, inactive or outside the space.
        """
        if wrong := self.faults(values):
            raise ValueError("not a point of the space: " + "; ".join(wrong))
        mapping = copy.deepcopy(dict(self.template))
        for parameter in self.parameters:
            if parameter.path and parameter.name in values:
                put_value(mapping, parameter.path, values[parameter.name])
        return config_from_mapping({**mapping, "objective": self.search.objective, "seed": seed, "threads": threads})

    def faults(self, values: Values) -> list[str]:
        """Return why these values are not a point of the space; empty if they are."""
        known = {parameter.name for parameter in self.parameters}
        found = [f"{name} is not a parameter{did_you_mean(name, known)}" for name in values if name not in known]
        for parameter in self.parameters:
            if not parameter.active(values):
                if parameter.name in values:
                    found.append(f"{parameter.name} is not active at this point")
            elif parameter.name not in values:
                found.append(f"{parameter.name} is missing")
            elif not parameter.contains(values[parameter.name]):
                found.append(f"{parameter.name} {show(values[parameter.name])} is not in {bounds(parameter)}")
        return found

    def values_of(self, config: TrialConfig) -> dict[str, Value]:
        """Return the parameters' values in a configuration. They can be outside the space: check them with `faults`."""
        mapping = config_to_mapping(config)
        values: dict[str, Value] = {}
        for parameter in self.parameters:
            if not parameter.active(values):
                continue
            if not parameter.path:
                values[parameter.name] = self._switch_is_on(parameter, mapping)
                continue
            found, value = value_at(mapping, parameter.path)
            if found:
                values[parameter.name] = value
        return values

    def _switch_is_on(self, switch: Parameter, mapping: Mapping[str, Any]) -> bool:
        path = self.switched(switch).path
        return not same(value_at(mapping, path)[1], value_at(self.template, path)[1])

    def switched(self, switch: Parameter) -> Parameter:
        """Return the parameter that a switch (made from `or:`) turns on."""
        return next(p for p in self.parameters if p.path and any(c.name == switch.name for c in p.conditions))

    def grid(self) -> Iterator[dict[str, Value]]:
        """Yield every point of the space once.

        Raises:
            ValueError: a parameter is continuous.
        """
        yield from self._grid({}, self.parameters)

    def _grid(self, values: dict[str, Value], rest: tuple[Parameter, ...]) -> Iterator[dict[str, Value]]:
        rest = tuple(itertools.dropwhile(lambda parameter: not parameter.active(values), rest))
        if not rest:
            yield dict(values)
            return
        for value in rest[0].grid():
            yield from self._grid({**values, rest[0].name: value}, rest[1:])

    def check_grid(self) -> None:
        """Check that the sampler `grid`, if it is set, can list all points of this space.

        Raises:
            ValueError: a parameter is continuous.
        """
        try:
            for parameter in self.parameters if self.search.sampler == "grid" else ():
                next(parameter.grid())
        except ValueError as error:
            raise ValueError(f"`sampler: grid` cannot list this space: {error}") from None


def bounds(parameter: Parameter) -> str:
    """Describe the values of a parameter: "1 to 8 (log)"."""
    if isinstance(parameter, Choice):
        return "[" + ", ".join(show(choice) for choice in parameter.choices) + "]"
    default = 1 if isinstance(parameter, IntRange) else None
    step = "" if parameter.step == default else f" in steps of {show(parameter.step)}"
    scale = " (log)" if parameter.log else " (reverse log)" if parameter.reverse_log else ""
    return f"{show(parameter.low)} to {show(parameter.high)}{step}{scale}"
