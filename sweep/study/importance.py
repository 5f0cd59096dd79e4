"""What mattered: Optuna's PED-ANOVA over a study's records, with its uncertainty."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweep.records.trial_record import TrialRecord
from sweep.space.config import direction_of
from sweep.space.space import Space
from sweep.study.optuna_parameters import optuna_distribution, to_optuna

FEWEST = 20
"""With fewer trials the best quarter is fewer than five, and Optuna asks for at least five good trials."""
GOOD = 5
QUANTILE = 0.1
"""PED-ANOVA's default: what separates the best tenth from all."""
RESAMPLES = 40
"""Enough for a 90 % interval: two on either side."""
WORK = 30_000
"""Trials times resamples at the most: bounds the time whatever the study's size."""
MOST = 1_000
"""Trials that are judged; of more, an even choice."""


@dataclass(frozen=True)
class Importance:
    """One parameter.

    Attributes:
        share: of the total over all parameters, 0 to 1.
        low, high: 90 % interval of the share over bootstrap samples of the trials.
        chance: what the luckiest of all parameters stays below in 95 % of shuffled results; the same for all.
        trials: how many trials had the parameter.
    """

    name: str
    share: float
    low: float
    high: float
    chance: float
    trials: int

    @property
    def matters(self) -> bool:
        """More than chance would give to any parameter."""
        return self.share > self.chance


@dataclass(frozen=True)
class Importances:
    """Of all parameters, the largest first.

    Attributes:
        rows: empty where there are too few trials.
        trials: complete and pruned trials that were judged.
        available: complete and pruned trials that there are.
        quantile: share of the trials that counts as good.
        resamples: bootstrap samples; as many shuffles.
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


def importances(
    space: Space, records: Iterable[TrialRecord], *, resamples: int = RESAMPLES, seed: int = 0
) -> Importances:
    """How much each parameter decides whether a trial is among the best.

    PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI 2023, arXiv 2304.10255; conditional parameters: arXiv 2601.20800) asks
    how much the values of good trials differ from those of all trials. It needs to know only which trials are good, so
    pruned ones take part: below all complete ones, as the pruner judged them.

    Args:
        space: what was searched.
        records: of any state; only complete and pruned ones count.
        resamples: bootstrap samples of the trials, at most; fewer for large studies.
        seed: of the samples; the same records and seed give the same numbers.
    """
    judged = _judged(space, records)
    chosen = judged if len(judged) <= MOST else [judged[i] for i in np.linspace(0, len(judged) - 1, MOST).astype(int)]
    quantile = max(QUANTILE, GOOD / max(len(chosen), 1))
    if len(chosen) < FEWEST:
        return Importances((), len(chosen), len(judged), min(quantile, 1.0), 0)
    count = max(20, min(resamples, WORK // len(chosen)))
    rows = _measure(chosen, quantile, count, seed)
    return Importances(rows, len(chosen), len(judged), quantile, count)


def _judged(space: Space, records: Iterable[TrialRecord]) -> list[FrozenTrial]:
    """Complete and pruned trials in their order, with their rank as the value: 0 is the best, equals have the same."""
    sign = -1.0 if direction_of(space.search.objective) == "maximize" else 1.0
    found = [r for r in records if r.state in ("complete", "pruned") and r.objective_value is not None]
    keys = [(record.state == "pruned", sign * float(record.objective_value or 0.0)) for record in found]
    rank = {key: place for place, key in enumerate(sorted(set(keys)))}
    # Shared, because the evaluator compares the distributions of all trials: of one object that costs nothing.
    distributions = {parameter.name: optuna_distribution(parameter) for parameter in space.parameters}
    return [_trial(space, record, float(rank[key]), distributions) for record, key in zip(found, keys, strict=True)]


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
    """A study in memory whose trials are exchanged at once: adding them one by one takes longer than judging them."""

    def __init__(self) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = optuna.storages.InMemoryStorage()
        storage.create_new_study([optuna.study.StudyDirection.MINIMIZE], "sample")
        super().__init__("sample", storage)
        self.sample: list[FrozenTrial] = []

    def get_trials(self, deepcopy: bool = True, states: Any = None) -> list[FrozenTrial]:  # noqa: ARG002
        """All are complete, and nobody changes them."""
        return self.sample


def _measure(trials: Sequence[FrozenTrial], quantile: float, count: int, seed: int) -> tuple[Importance, ...]:
    generator = np.random.default_rng(seed)
    names = sorted({name for trial in trials for name in trial.params})
    ranks = np.array([float(trial.value or 0.0) for trial in trials])
    study, evaluator = _Sample(), PedAnovaImportanceEvaluator(target_quantile=quantile)

    def raw(chosen: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        study.sample = [
            _renumbered(trials[i], n, value) for n, (i, value) in enumerate(zip(chosen, values, strict=True))
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of parameters that few trials have: their interval says so
            found = evaluator.evaluate(study)
        return np.array([found.get(name, 0.0) for name in names])

    everyone = np.arange(len(trials))
    point = raw(everyone, ranks)
    total = point.sum() or 1.0
    drawn = [generator.integers(0, len(trials), len(trials)) for _ in range(count)]
    samples = np.array([raw(sample, ranks[sample]) for sample in drawn])
    shares = samples / np.maximum(samples.sum(axis=1, keepdims=True), 1e-300)
    shuffled = np.array([raw(everyone, generator.permutation(ranks)) for _ in range(count)]) / total
    low, high = np.quantile(shares, [0.05, 0.95], axis=0)
    chance = float(np.quantile(shuffled.max(axis=1), 0.95))  # the maximum, because every parameter is a try
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


def _renumbered(trial: FrozenTrial, number: int, value: float) -> FrozenTrial:
    """The evaluator tells trials apart by their id, and a bootstrap sample has some of them several times."""
    return FrozenTrial(
        number=number,
        state=TrialState.COMPLETE,
        value=float(value) if math.isfinite(value) else 0.0,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={},
        system_attrs={},
        intermediate_values={},
        trial_id=number,
    )
