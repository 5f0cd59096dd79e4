"""From the section `search.pruner` to Optuna's pruners."""

from __future__ import annotations

import optuna
from optuna.pruners import BasePruner

from sweep.space.config import PrunerConfig
from sweep.study.samplers import ignore_experimental_warnings


def make_pruner(config: PrunerConfig, epochs: int) -> BasePruner:
    """The pruner; a step is an epoch, 1 for the first, so that `warmup_epochs` are always trained.

    Args:
        config: names it.
        epochs: the most that a trial trains.
    """
    with ignore_experimental_warnings():
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
