"""Completing the space of a hypermodel with the hyperparameters that are found by building its model."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

from sweep.errors import UserError
from sweep.space.fields import Value
from sweep.space.model_sections import HYPERPARAMETERS
from sweep.space.parameters import Choice, Condition, IntRange, Parameter, same
from sweep.space.space import Space, StartPoint, bounds
from sweep.space.wording import did_you_mean, show

DEFAULTS = "the hypermodel's defaults"


@dataclasses.dataclass(frozen=True)
class Discovery:
    """What is found by building the model of a hypermodel or user builder.

    Attributes:
        parameters: searched hyperparameters; each comes after the hyperparameters in its conditions.
        fixed: hyperparameters with a single value.
        defaults: default values of the hypermodel, by name.
        unused: keys of the section `training` that have no effect on this model, with the reason.
    """

    parameters: tuple[Parameter, ...] = ()
    fixed: Mapping[str, Value] = dataclasses.field(default_factory=dict)
    defaults: Mapping[str, Value] = dataclasses.field(default_factory=dict)
    unused: Mapping[str, str] = dataclasses.field(default_factory=dict)


def written_hyperparameters(space: Space) -> dict[str, Parameter]:
    """Return the hyperparameters of the space file; a fixed value is a choice with one value."""
    fixed = space.template.get("model", {}).get("hyperparameters", {})
    made: dict[str, Parameter] = {
        name: Choice(name, (*HYPERPARAMETERS, name), choices=(value,)) for name, value in fixed.items()
    }
    return made | {p.name: p for p in space.parameters if p.path[:-1] == HYPERPARAMETERS}


def check_training(space: Space, discovery: Discovery) -> None:
    """Check that every value of the section `training` has an effect.

    Raises:
        UserError: the file sets a value that this model does not read.
    """
    searched = [str(p.path[1]) for p in space.parameters if p.path[:1] == ("training",)]
    written = dict.fromkeys([*space.template.get("training", {}), *searched])
    wrong = [f"`training.{key}` has no effect: {discovery.unused[key]}" for key in written if key in discovery.unused]
    if wrong:
        raise UserError("\n".join(f"{line}; remove it from the file" for line in wrong))


def complete(space: Space, discovery: Discovery) -> Space:
    """Return the space with the hyperparameters that were found; values in the file take precedence.

    The defaults of the hypermodel become the first start point, as in KerasTuner.

    Raises:
        UserError: the file has a hyperparameter that the hypermodel lacks, or a value that the hypermodel refuses.
    """
    written = written_hyperparameters(space)
    _check_written(written, discovery)
    single = {n: p.choices[0] for n, p in written.items() if isinstance(p, Choice) and len(p.choices) == 1}
    fixed = {**discovery.fixed, **single}
    # Values come from the file if it has any; conditions always come from the hypermodel.
    searched = [dataclasses.replace(written.get(p.name, p), conditions=p.conditions) for p in discovery.parameters]
    active = _reachable(searched, fixed)
    _check_conditions(active, written, fixed)
    others = tuple(p for p in space.parameters if p.path[:-1] != HYPERPARAMETERS)
    names = {parameter.name for parameter in others}
    twice = [parameter.name for parameter in active if parameter.name in names]
    if twice:
        raise UserError(
            f"two parameters would have the name {twice[0]!r}: one of the hypermodel and one of the section "
            "`training` or `augmentation`; rename the hypermodel's parameter, or give the other one a fixed value"
        )
    template = {**space.template, "model": {**space.template["model"], "hyperparameters": fixed}}
    made = dataclasses.replace(space, template=template, parameters=(*active, *others))
    try:
        made.check_grid()
    except ValueError as error:
        raise UserError(str(error)) from None
    return dataclasses.replace(made, start_from=(*_first_point(made, discovery.defaults), *space.start_from))


def _check_written(written: Mapping[str, Parameter], discovery: Discovery) -> None:
    found = {parameter.name: parameter for parameter in discovery.parameters}
    known = [*found, *discovery.fixed]
    for name, parameter in written.items():
        if name not in known:
            raise UserError(
                f"the hypermodel has no hyperparameter {show(name)}{did_you_mean(name, known)}; "
                f"it has {', '.join(known) or 'none'}"
            )
        wrong = [value for value in parameter.extremes() if name in found and not found[name].contains(value)]
        if wrong:
            raise UserError(
                f"the hyperparameter `{name}` cannot be {show(wrong[0])}; the hypermodel allows {bounds(found[name])}"
            )


def _check_conditions(
    active: Iterable[Parameter], written: Mapping[str, Parameter], fixed: Mapping[str, Value]
) -> None:
    """Refuse conditions in the file that are stricter than the hypermodel's: only the hypermodel decides."""
    for parameter in active:
        for condition in written[parameter.name].conditions if parameter.name in written else ():
            implied = [c for c in parameter.conditions if c.name == condition.name]
            if condition.name not in fixed and not any(set(c.values) <= set(condition.values) for c in implied):
                key = "or" if condition.name == f"use_{parameter.name}" else "when"
                raise UserError(
                    f"`{key}` does not work for `{parameter.name}`, because only the hypermodel decides when a "
                    f"hyperparameter is active; remove `{key}`"
                )


def _reachable(parameters: Iterable[Parameter], fixed: Mapping[str, Value]) -> list[Parameter]:
    """Return the parameters that can be active, given the fixed ones."""
    kept: list[Parameter] = []
    for parameter in parameters:
        parents = {each.name: each for each in kept}
        possible = None if parameter.name in fixed else _possible(parameter, parents, fixed)
        if possible is not None:
            kept.append(possible)
    return kept


def _possible(parameter: Parameter, parents: Mapping[str, Parameter], fixed: Mapping[str, Value]) -> Parameter | None:
    """Return the parameter without the conditions that always hold; None if a condition can never hold."""
    kept: list[Condition] = []
    for condition in parameter.conditions:
        if condition.name in fixed:
            if not any(same(fixed[condition.name], value) for value in condition.values):
                return None
            continue
        parent = parents.get(condition.name)
        values = tuple(value for value in condition.values if parent is not None and parent.contains(value))
        if not values:
            return None
        kept.append(Condition(condition.name, values))
    return dataclasses.replace(parameter, conditions=tuple(kept))


def _first_point(space: Space, defaults: Mapping[str, Value]) -> tuple[StartPoint, ...]:
    if not any(parameter.name in defaults for parameter in space.parameters):
        return ()

    def choose(parameter: Parameter) -> Value:
        value = defaults.get(parameter.name)
        return value if value is not None and parameter.contains(value) else middle(parameter)

    return (StartPoint(DEFAULTS, space.suggest(choose)),)


def middle(parameter: Parameter) -> Value:
    """Return the first choice, or the middle of a range (the geometric mean of a logarithmic range)."""
    if isinstance(parameter, Choice):
        return parameter.choices[0]
    low, high = parameter.low, parameter.high
    wanted = math.sqrt(low * high) if parameter.log else (low + high) / 2
    step: Any = parameter.step
    if step is not None:
        wanted = low + round((wanted - low) / step) * step
    return round(wanted) if isinstance(parameter, IntRange) else min(max(wanted, low), high)
