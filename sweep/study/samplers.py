"""From our space and search settings to Optuna's distributions, samplers and pruners."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from sweep.errors import StudyError
from sweep.records.seeds import Purpose, derive
from sweep.space.config import PrunerConfig, SearchConfig, Value
from sweep.space.parameters import Choice, FloatRange, IntRange, Parameter, Values, mirrored
from sweep.space.space import Space


def suggest(trial: optuna.Trial, parameter: Parameter) -> Value:
    """Let the sampler choose a value."""
    return mirrored(parameter, _suggest(trial, parameter))


def kept(space: Space, values: Values) -> dict[str, Value]:
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


def distribution(parameter: Parameter) -> optuna.distributions.BaseDistribution:
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


def make_sampler(search: SearchConfig, number: int) -> BaseSampler:
    """The sampler for the next trial.

    Args:
        search: names it.
        number: of trials so far; with the study's seed it decides the random numbers, because a sampler that is made
            again with the same seed proposes the same points again.

    Raises:
        StudyError: the sampler needs a package that is not installed.
    """
    with _experimental():
        return _sampler(search, derive(search.seed, Purpose.SAMPLER, number))


@contextmanager
def _experimental() -> Iterator[None]:
    """Take what Optuna calls experimental without its warning, which would only tear the display."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def _sampler(search: SearchConfig, seed: int) -> BaseSampler:
    startup = search.startup_trials
    if search.sampler == "tpe":
        # group: a conditional space is split into parts with the same parameters, each modelled jointly.
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup, multivariate=True, group=True)
    if search.sampler == "gp":
        return _gp_sampler(seed, startup)
    if search.sampler == "cmaes":
        # Its state is in the study; conditional and categorical parameters are drawn independently.
        return optuna.samplers.CmaEsSampler(seed=seed, n_startup_trials=startup, warn_independent_sampling=False)
    if search.sampler == "qmc":
        # One sequence for the whole study: its seed must not change with the trial; that of the parameters outside
        # the sequence (the conditional ones) must, or each would have one value for ever.
        return optuna.samplers.QMCSampler(
            seed=derive(search.seed, Purpose.SAMPLER),
            scramble=True,
            independent_sampler=optuna.samplers.RandomSampler(seed=seed),
            warn_independent_sampling=False,
            warn_asynchronous_seeding=False,
        )
    return optuna.samplers.RandomSampler(seed=seed)  # also beneath grid, whose points are enqueued


def _gp_sampler(seed: int, startup: int) -> BaseSampler:
    if importlib.util.find_spec("torch") is None:  # Optuna itself would notice only at the first proposal
        raise StudyError("the sampler `gp` needs PyTorch, which is not installed; install torch, or use `tpe`")
    return optuna.samplers.GPSampler(
        seed=seed, n_startup_trials=startup, deterministic_objective=False, warn_independent_sampling=False
    )


def make_pruner(config: PrunerConfig, epochs: int) -> BasePruner:
    """The pruner; a step is an epoch, 1 for the first, so that `warmup_epochs` are always trained.

    Args:
        config: names it.
        epochs: the most that a trial trains.
    """
    with _experimental():
        return _pruner(config, epochs)


def _pruner(config: PrunerConfig, epochs: int) -> BasePruner:
    warmup = config.warmup_epochs
    if config.name == "none":
        return optuna.pruners.NopPruner()
    if config.name == "hyperband":
        return optuna.pruners.HyperbandPruner(max(1, warmup), epochs, config.reduction_factor)
    if config.name == "asha":
        return optuna.pruners.SuccessiveHalvingPruner(max(1, warmup), config.reduction_factor)
    median = optuna.pruners.MedianPruner(config.startup_trials, warmup)
    if config.name == "patient":
        return optuna.pruners.PatientPruner(median, config.patience)
    if config.name == "percentile":
        return optuna.pruners.PercentilePruner(config.percentile, config.startup_trials, warmup)
    return median
