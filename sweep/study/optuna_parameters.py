"""From parameters of a search space to Optuna's distributions and back."""

from __future__ import annotations

import optuna

from sweep.space.fields import Value
from sweep.space.parameters import Choice, FloatRange, IntRange, Parameter, Values, mirrored
from sweep.space.space import Space


def suggest(trial: optuna.Trial, parameter: Parameter) -> Value:
    """Let the sampler choose a value."""
    return mirrored(parameter, _suggest(trial, parameter))


def to_optuna(space: Space, values: Values) -> dict[str, Value]:
    """A point as Optuna keeps it; see `mirrored`."""
    by_name = {parameter.name: parameter for parameter in space.parameters}
    return {name: mirrored(by_name[name], value) for name, value in values.items()}


def _suggest(trial: optuna.Trial, parameter: Parameter) -> Value:
    if isinstance(parameter, Choice):
        return trial.suggest_categorical(parameter.name, parameter.choices)
    if isinstance(parameter, IntRange):
        return trial.suggest_int(
            parameter.name, parameter.low, parameter.high, step=parameter.step, log=_is_log(parameter)
        )
    return trial.suggest_float(
        parameter.name, parameter.low, parameter.high, step=parameter.step, log=_is_log(parameter)
    )


def _is_log(parameter: IntRange | FloatRange) -> bool:
    return parameter.log or parameter.reverse_log


def optuna_distribution(parameter: Parameter) -> optuna.distributions.BaseDistribution:
    """The same as Optuna stores it with a finished trial."""
    if isinstance(parameter, Choice):
        return optuna.distributions.CategoricalDistribution(parameter.choices)
    if isinstance(parameter, IntRange):
        return optuna.distributions.IntDistribution(
            parameter.low, parameter.high, step=parameter.step, log=_is_log(parameter)
        )
    return optuna.distributions.FloatDistribution(
        parameter.low, parameter.high, step=parameter.step, log=_is_log(parameter)
    )
