"""Converting the parameters of a space to Optuna's distributions, and values to Optuna's form and back."""

from __future__ import annotations

import optuna

from sweep.space.fields import Value
from sweep.space.parameters import Choice, FloatRange, IntRange, Parameter, Values, mirrored
from sweep.space.space import Space


def suggest(trial: optuna.Trial, parameter: Parameter) -> Value:
    """Return the value that the sampler chooses for a parameter."""
    if isinstance(parameter, Choice):
        return mirrored(parameter, trial.suggest_categorical(parameter.name, parameter.choices))
    log = _is_log(parameter)
    if isinstance(parameter, IntRange):
        value: Value = trial.suggest_int(parameter.name, parameter.low, parameter.high, step=parameter.step, log=log)
    else:
        value = trial.suggest_float(parameter.name, parameter.low, parameter.high, step=parameter.step, log=log)
    return mirrored(parameter, value)


def to_optuna(space: Space, values: Values) -> dict[str, Value]:
    """Return values as Optuna stores them; see `mirrored`."""
    by_name = {parameter.name: parameter for parameter in space.parameters}
    return {name: mirrored(by_name[name], value) for name, value in values.items()}


def optuna_distribution(parameter: Parameter) -> optuna.distributions.BaseDistribution:
    """Return a parameter's distribution, equal to the one that Optuna stores with a trial when `suggest` is called."""
    if isinstance(parameter, Choice):
        return optuna.distributions.CategoricalDistribution(parameter.choices)
    log = _is_log(parameter)
    if isinstance(parameter, IntRange):
        return optuna.distributions.IntDistribution(parameter.low, parameter.high, step=parameter.step, log=log)
    return optuna.distributions.FloatDistribution(parameter.low, parameter.high, step=parameter.step, log=log)


def _is_log(parameter: IntRange | FloatRange) -> bool:
    return parameter.log or parameter.reverse_log
