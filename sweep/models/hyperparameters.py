"""KerasTuner's HyperParameters with the study's values, and its definitions as parameters of a space."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import keras_tuner
from keras_tuner import engine
from typing_extensions import override

from sweep.space.fields import Value
from sweep.space.model_sections import HYPERPARAMETERS
from sweep.space.parameters import Choice, Condition, FloatRange, IntRange, Parameter, steps_between

hp_types = engine.hyperparameters
_VARIANT = re.compile(r"(.*):([2-9]|[1-9]\d+)")
"""KerasTuner distinguishes hyperparameters of the same name by conditions; the study names the second `units:2`."""


class ChosenHyperParameters(keras_tuner.HyperParameters):
    """Gives each hyperparameter its chosen value, and records which ones are read.

    A hyperparameter that the study does not know gets its default, as in KerasTuner.

    Args:
        chosen: values by their names in the study.

    Attributes:
        read: the active hyperparameters that were read, with their values, in order.
    """

    def __init__(self, chosen: Mapping[str, Value]) -> None:
        super().__init__()
        self.chosen = {plain_hyperparameter(name): value for name, value in chosen.items()}
        self.read: dict[str, Value] = {}

    @property
    def unread(self) -> list[str]:
        """Names of chosen values that have had no effect so far."""
        return [name for name, value in self.chosen.items() if self.read.get(name, _NOTHING) != value]

    @property
    def unknown(self) -> dict[str, Value]:
        """Hyperparameters that were read without having been chosen, with their defaults."""
        return {name: value for name, value in self.read.items() if name not in self.chosen}

    @override
    def _register(self, hyperparameter: Any, overwrite: bool = False) -> Any:
        # Set a value only when it is read, because KerasTuner treats every hyperparameter with a value as active.
        name = hyperparameter.name
        fits = name in self.chosen and _allows(hyperparameter, self.chosen[name])
        if name not in self.values and fits and self.is_active(hyperparameter):
            self.values[name] = self.chosen[name]
        return super()._register(hyperparameter, overwrite)

    @override
    def _retrieve(self, hp: Any) -> Any:
        value = super()._retrieve(hp)
        if self.is_active(self._registered(hp)) and not isinstance(hp, hp_types.Fixed):
            self.read[hp.name] = value
        return value

    def _registered(self, hp: Any) -> Any:
        return next(own for own in self._hps[hp.name] if own.conditions == hp.conditions)

    @override
    def get(self, name: str) -> Any:
        value = super().get(name)
        self.read[self._get_name(name)] = value
        return value


_NOTHING = object()


def _allows(definition: Any, value: Value) -> bool:
    return isinstance(definition, hp_types.Fixed) or to_parameter(definition.name, definition, ()).contains(value)


def plain_hyperparameter(name: str) -> str:
    """Return KerasTuner's name for a parameter of the study."""
    found = _VARIANT.fullmatch(name)
    return found[1] if found else name


def named(definitions: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yield (unique name, definition) for KerasTuner's definitions, in order; a second `x` is named `x:2`."""
    seen: dict[str, int] = {}
    for definition in definitions:
        seen[definition.name] = seen.get(definition.name, 0) + 1
        count = seen[definition.name]
        yield (definition.name if count == 1 else f"{definition.name}:{count}"), definition


def to_parameter(name: str, definition: Any, conditions: tuple[Condition, ...]) -> Parameter:
    """Return a hyperparameter of KerasTuner as a parameter of a space.

    A hyperparameter with a step and logarithmic sampling has a geometric series of values, so it becomes a choice. The
    high end of a range with a step is the last value that the steps reach.
    """
    path = (*HYPERPARAMETERS, name)
    if isinstance(definition, hp_types.Boolean | hp_types.Choice | hp_types.Fixed):
        return Choice(name, path, conditions, choices=tuple(dict.fromkeys(definition.values)))
    whole = isinstance(definition, hp_types.Int)
    low, high, step = definition.min_value, definition.max_value, definition.step
    if definition.sampling != "linear" and step is not None:
        series = [int(value) if whole else float(value) for value in definition.values]
        return Choice(name, path, conditions, choices=tuple(dict.fromkeys(sorted(series))))
    scale = {"log": definition.sampling == "log", "reverse_log": definition.sampling == "reverse_log"}
    if whole:
        last = low + (high - low) // (step or 1) * (step or 1)
        return IntRange(name, path, conditions, low=low, high=last, step=step or 1, **scale)
    if step is not None:
        high = min(low + steps_between(low, high, step) * step, high)
    return FloatRange(
        name, path, conditions, low=float(low), high=float(high), step=None if step is None else float(step), **scale
    )
