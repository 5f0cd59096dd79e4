"""Which parameters matter: Optuna's PED-ANOVA over the records of a study, with intervals of uncertainty."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState, create_trial
from typing_extensions import override

from sweep.records.trial_record import TrialRecord
from sweep.space.config import direction_of
from sweep.space.space import Space
from sweep.study.optuna_parameters import optuna_distribution, to_optuna

FEWEST = 20
"""Minimum number of trials, so that the five good trials that Optuna requires are at most a quarter of all trials."""
_MIN_GOOD = 5
_QUANTILE = 0.1
"""Share of the trials that counts as good; a tenth is also PED-ANOVA's default."""
RESAMPLES = 40
"""Number of bootstrap samples: enough for a 90 % interval, because two samples are outside of it on each side."""
_MAX_WORK = 30_000
"""Maximum product of the numbers of trials and bootstrap samples, which limits the time for large studies."""
_MAX_TRIALS = 1_000
"""Maximum number of trials to use; of a larger study, evenly spaced trials are used."""


@dataclass(frozen=True)
class Importance:
    """The importance of one parameter.

    Attributes:
        share: the parameter's share of the importance of all parameters, 0 to 1.
        low, high: ends of the 90 % interval of the share over bootstrap samples of the trials.
        chance: if the results of the trials are shuffled, the largest share of any parameter is below this value in
            95 % of the shuffles; the same value for all parameters.
        trials: the number of trials that have the parameter.
    """

    name: str
    share: float
    low: float
    high: float
    chance: float
    trials: int

    @property
    def matters(self) -> bool:
        """True if the share is larger than `chance`."""
        return self.share > self.chance


@dataclass(frozen=True)
class Importances:
    """The importance of all parameters.

    Attributes:
        rows: one per parameter, the largest share first; empty if there are too few trials.
        trials: the number of complete and pruned trials that were used.
        available: the number of complete and pruned trials.
        quantile: share of the trials that counts as good.
        resamples: the number of bootstrap samples, and of shuffles.
    """

    rows: tuple[Importance, ...]
    trials: int
    available: int
    quantile: float
    resamples: int

    @property
    def by_name(self) -> dict[str, Importance]:
        """The rows by the parameter's name."""
        return {row.name: row for row in self.rows}


def importances(space: Space, records: Iterable[TrialRecord], resamples: int = RESAMPLES) -> Importances:
    """Return how much each parameter determines whether a trial is among the best; equal records give equal results.

    PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI 2023, arXiv 2304.10255; conditional parameters: arXiv 2601.20800)
    measures how much the values of good trials differ from those of all trials. It only needs to know which trials are
    good, so pruned trials count too; they rank below all complete trials.

    Args:
        space: the space that was searched.
        records: records in any state; only complete and pruned trials count.
        resamples: maximum number of bootstrap samples; fewer for large studies.
    """
    ranks = _ranks(space, records)
    available = len(ranks)
    if available > _MAX_TRIALS:
        ranks = [ranks[index] for index in np.linspace(0, available - 1, _MAX_TRIALS).astype(int)]
    # All trials share these objects, because the evaluator compares all distributions: identical ones compare fast.
    distributions = {parameter.name: optuna_distribution(parameter) for parameter in space.parameters}
    trials = [_trial(space, record, rank, distributions) for record, rank in ranks]
    quantile = max(_QUANTILE, _MIN_GOOD / max(len(trials), 1))
    if len(trials) < FEWEST:
        return Importances((), len(trials), available, min(quantile, 1.0), 0)
    count = max(20, min(resamples, _MAX_WORK // len(trials)))
    return Importances(_measure(trials, quantile, count), len(trials), available, quantile, count)


def _ranks(space: Space, records: Iterable[TrialRecord]) -> list[tuple[TrialRecord, float]]:
    """Return the complete and pruned trials in the order of the records, each with its rank: 0 is the best."""
    sign = -1.0 if direction_of(space.search.objective) == "maximize" else 1.0
    found = [r for r in records if r.state in ("complete", "pruned") and r.objective_value is not None]
    keys = [(record.state == "pruned", sign * float(record.objective_value or 0.0)) for record in found]
    rank = {key: float(place) for place, key in enumerate(sorted(set(keys)))}
    return [(record, rank[key]) for record, key in zip(found, keys, strict=True)]


def _trial(
    space: Space, record: TrialRecord, value: float, distributions: Mapping[str, BaseDistribution]
) -> FrozenTrial:
    names = [p.name for p in space.parameters if p.name in record.values and p.contains(record.values[p.name])]
    return create_trial(
        state=TrialState.COMPLETE,
        value=value,
        params=to_optuna(space, {name: record.values[name] for name in names}),
        distributions={name: distributions[name] for name in names},
    )


class _Sample(optuna.Study):
    """An in-memory study whose trials are set all at once, because adding them one by one takes too long."""

    def __init__(self) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = optuna.storages.InMemoryStorage()
        storage.create_new_study([optuna.study.StudyDirection.MINIMIZE], "sample")
        super().__init__("sample", storage)
        self.sample: list[FrozenTrial] = []

    @override
    def get_trials(self, deepcopy: bool = True, states: Any = None) -> list[FrozenTrial]:
        return self.sample  # needs no filter and no copy: all are complete, and the evaluator does not change them


def _measure(trials: Sequence[FrozenTrial], quantile: float, count: int) -> tuple[Importance, ...]:
    generator = np.random.default_rng(0)
    names = sorted({name for trial in trials for name in trial.params})
    ranks = np.array([float(trial.value or 0.0) for trial in trials])
    study, evaluator = _Sample(), PedAnovaImportanceEvaluator(target_quantile=quantile)

    def raw(chosen: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        study.sample = [_sampled(trials[i], n, value) for n, (i, value) in enumerate(zip(chosen, values, strict=True))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna warns if few trials have a parameter; the interval is then wide
            found = evaluator.evaluate(study)
        return np.array([found.get(name, 0.0) for name in names])

    all_trials = np.arange(len(trials))
    point = raw(all_trials, ranks)
    total = point.sum() or 1.0
    drawn = [generator.integers(0, len(trials), len(trials)) for _ in range(count)]
    samples = np.array([raw(sample, ranks[sample]) for sample in drawn])
    shares = samples / np.maximum(samples.sum(axis=1, keepdims=True), 1e-300)
    shuffled = np.array([raw(all_trials, generator.permutation(ranks)) for _ in range(count)]) / total
    low, high = np.quantile(shares, [0.05, 0.95], axis=0)
    chance = float(np.quantile(shuffled.max(axis=1), 0.95))  # the maximum, because chance can favor any parameter
    rows = [
        Importance(
            name=name,
            share=float(point[i] / total),
            low=float(low[i]),
            high=float(high[i]),
            chance=chance,
            trials=sum(name in trial.params for trial in trials),
        )
        for i, name in enumerate(names)
    ]
    return tuple(sorted(rows, key=lambda row: (-row.share, row.name)))


def _sampled(trial: FrozenTrial, number: int, value: float) -> FrozenTrial:
    """Return a copy with a new id, by which the evaluator distinguishes the copies of a trial in a bootstrap sample."""
    copied = copy.copy(trial)
    copied.number = copied._trial_id = number
    copied.value = float(value)
    return copied
