"""Optuna's pruner for the section `search.pruner`, and the rules by which its decision is ignored."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import optuna
from optuna.pruners import BasePruner

from sweep.records.seeds import Purpose, derive
from sweep.records.trial_result import EpochMetrics
from sweep.space.config import PrunerConfig
from sweep.study.samplers import ignore_experimental_warnings


def make_pruner(config: PrunerConfig, epochs: int) -> BasePruner:
    """Return the configured pruner.

    The pruner's steps are epochs, counted from 1, so that the first `warmup_epochs` epochs are always trained.

    Args:
        config: the pruner's name and settings.
        epochs: maximum number of epochs per trial.
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


def may_prune(config: PrunerConfig, epochs: Sequence[EpochMetrics], limit: int) -> bool:
    """True if a trial may be pruned after its newest epoch.

    A trial is not pruned after its last epoch, because this saves no time, and not within `grace_after_drop` epochs
    after a reduction of the learning rate, because the loss often falls again then.

    Args:
        config: the pruner's settings.
        epochs: the finished epochs, at least one.
        limit: maximum number of epochs per trial.
    """
    if epochs[-1].epoch >= limit:
        return False
    recent = epochs[-1 - config.grace_after_drop :]
    return not any(later.learning_rate < earlier.learning_rate for earlier, later in itertools.pairwise(recent))


def is_audited(config: PrunerConfig, study_seed: int, number: int) -> bool:
    """True if seed and number select this trial for the audit: it then continues although the pruner would end it."""
    return derive(study_seed, Purpose.AUDIT, number) < config.audit * 2**31
