"""Optuna's sampler for the section `search`."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler

from sweep.errors import StudyError
from sweep.records.seeds import Purpose, derive
from sweep.space.config import SearchConfig


def make_sampler(search: SearchConfig, number: int) -> BaseSampler:
    """Return the sampler for the next trial.

    Args:
        search: the sampler's name and settings.
        number: the number of trials started so far. It is combined with the study's seed, because a new sampler with
            the same seed would propose the same values again.

    Raises:
        StudyError: the sampler needs a package that is not installed.
    """
    with ignore_experimental_warnings():
        return _sampler(search, derive(search.seed, Purpose.SAMPLER, number))


@contextmanager
def ignore_experimental_warnings() -> Iterator[None]:
    """Hide Optuna's warnings about experimental features, which would only disturb the display."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def _sampler(search: SearchConfig, seed: int) -> BaseSampler:
    startup = search.startup_trials
    if search.sampler == "tpe":
        # group: parameters that are active in the same trials are modelled jointly.
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup, multivariate=True, group=True)
    if search.sampler == "gp":
        if importlib.util.find_spec("torch") is None:  # Optuna itself notices it only at the first proposal
            raise StudyError("the sampler `gp` needs PyTorch, which is not installed; install torch, or use `tpe`")
        return optuna.samplers.GPSampler(
            seed=seed, n_startup_trials=startup, deterministic_objective=False, warn_independent_sampling=False
        )
    if search.sampler == "cmaes":
        # CMA-ES continues from its state in the study, and draws conditional and categorical parameters independently.
        return optuna.samplers.CmaEsSampler(seed=seed, n_startup_trials=startup, warn_independent_sampling=False)
    if search.sampler == "qmc":
        # The whole study uses one sequence, so its seed must not change with the trial. Conditional parameters are not
        # in the sequence; their seed must change, because otherwise each would always have the same value.
        return optuna.samplers.QMCSampler(
            seed=derive(search.seed, Purpose.SAMPLER),
            scramble=True,
            independent_sampler=optuna.samplers.RandomSampler(seed=seed),
            warn_independent_sampling=False,
            warn_asynchronous_seeding=False,
        )
    return optuna.samplers.RandomSampler(seed=seed)  # also for grid, whose points are enqueued
