"""Choose the finalists, and judge from repeated trainings which finalist is the best.

Each round trains all finalists once, with the same seed and the same split. An easy or a difficult split therefore
affects all finalists, and differences are judged within rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import ttest_1samp

from sweep.analysis.leaderboard import noise_of_difference
from sweep.records.trial_record import TrialRecord

Scores = Mapping[int, Sequence[float]]
"""The objective of each round, in order, by trial number."""
Verdict = Literal["separated", "tie", "alone", "not repeated"]

LEAST_ROUNDS = 3
CERTAIN = 0.95
LEVEL = 0.01
"""Significance level of the one-sided paired t-test against each rival.

The bootstrap alone separates equal finalists too often. A finalist that leads in each of three rounds has P(best) 1;
with two equal finalists this happens in a quarter of all cases, and `judge` runs after every round. In 4,000
simulations of up to 10 rounds (normal scores), it separated two equal finalists in 55 % of the cases and five in 16 %.
Together with the t-test, it did so in 8 % and 0.1 %; a true lead of two standard deviations of a single score was found
in 96 % of the cases (two finalists, after 6 rounds on average) and in 82 % (five finalists, after 8 rounds).
"""
RESAMPLES = 4000


@dataclass(frozen=True)
class Standing:
    """The results of one finalist.

    Attributes:
        mean, deviation: mean and sample deviation (n - 1) of the objective; a single round has no deviation, None.
        rounds: number of rounds.
        best_share: bootstrap P(best): the share of resamples of the rounds in which this finalist has the best mean;
            a resample with several equal best means is divided equally among these finalists.
    """

    trial: int
    scores: tuple[float, ...]
    mean: float
    deviation: float | None
    rounds: int
    best_share: float


@dataclass(frozen=True)
class Judgement:
    """The result of all rounds.

    Attributes:
        verdict: `separated`: one finalist is the best, see `judge`; `tie`: the rounds do not separate the trials in
            `tied`; `alone`: there is only one finalist; `not repeated`: no round is finished.
        standings: the compared finalists, the best mean first.
        leader: the trial with the best mean.
        tied: the leader and the trials that are not separated from it, the best mean first.
        recommended: the trial in `tied` with the fewest parameters; the leader if no rival may also be the best.
    """

    verdict: Verdict
    standings: tuple[Standing, ...]
    leader: int
    tied: tuple[int, ...]
    recommended: int


def choose_finalists(ranked: Sequence[TrialRecord], count: int) -> tuple[TrialRecord, ...]:
    """Return the best `count` trials, and the trials whose difference from the last of them is within noise.

    Noise is one standard error of the difference between two accuracies (the one-standard-error rule of Breiman et al.,
    "Classification and Regression Trees", 1984). The noise of a loss is unknown: only trials with equal loss are added.

    Args:
        ranked: complete trials, best first.
        count: at least 1.
    """
    best = ranked[:count]
    return (*best, *(record for record in ranked[count:] if _within_noise(best[-1], record)))


def _within_noise(last: TrialRecord, other: TrialRecord) -> bool:
    first, second = float(last.objective_value or 0.0), float(other.objective_value or 0.0)
    noise = noise_of_difference(first, second, last.data.validation) if last.config.direction == "maximize" else None
    return abs(first - second) <= (noise or 0.0)


def judge(scores: Scores, parameters: Mapping[int, int], *, maximize: bool, seed: int) -> Judgement:
    """Judge the finished rounds.

    The leader is separated after at least `LEAST_ROUNDS` rounds if its bootstrap P(best) is at least `CERTAIN` and a
    paired t-test over rounds finds it better than each other finalist at `LEVEL` (one-sided). Otherwise it ties with
    those that are not worse by the t-test and, after `LEAST_ROUNDS`, have a P(best) of at least 1 - `CERTAIN`.
    Without such a finalist, the leader ties with the second finalist, and the leader is recommended.

    Args:
        scores: the objective of each round; every finalist has the same number of rounds.
        parameters: number of parameters of each finalist's model.
        maximize: whether a higher objective is better.
        seed: seed of the bootstrap.

    Raises:
        ValueError: there is no finalist, or the numbers of rounds differ.
    """
    rounds = {len(values) for values in scores.values()}
    if len(rounds) != 1:
        raise ValueError(f"expected the same number of rounds for every finalist, received {sorted(rounds)}")
    if rounds == {0}:
        first = next(iter(scores))
        return Judgement("not repeated", (), first, tuple(scores), first)
    standings = _standings(scores, maximize, seed)
    leader = standings[0].trial
    if len(standings) == 1:
        return Judgement("alone", standings, leader, (leader,), leader)
    open_to = [
        s for s in standings[1:] if not is_significantly_better(scores[leader], scores[s.trial], maximize=maximize)
    ]
    if not open_to and standings[0].best_share >= CERTAIN:
        return Judgement("separated", standings, leader, (leader,), leader)
    # With enough rounds, leave out finalists that are almost never the best: else the smallest could be recommended.
    near = [s.trial for s in open_to if s.best_share >= 1 - CERTAIN or s.rounds < LEAST_ROUNDS]
    tied = (leader, *near) if near else tuple(standing.trial for standing in standings[:2])
    return Judgement("tie", standings, leader, tied, min((leader, *near), key=lambda trial: parameters[trial]))


def _standings(scores: Scores, maximize: bool, seed: int) -> tuple[Standing, ...]:
    shares = probabilities_of_best(np.array(list(scores.values()), dtype=float), maximize=maximize, seed=seed)
    found = [
        Standing(
            trial=trial,
            scores=tuple(values),
            mean=float(np.mean(values)),
            deviation=float(np.std(values, ddof=1)) if len(values) > 1 else None,
            rounds=len(values),
            best_share=share,
        )
        for (trial, values), share in zip(scores.items(), shares, strict=True)
    ]
    return tuple(sorted(found, key=lambda s: -s.mean if maximize else s.mean))


def probabilities_of_best(
    scores: np.ndarray[tuple[int, int], np.dtype[np.float64]], *, maximize: bool, seed: int
) -> tuple[float, ...]:
    """Return the bootstrap P(best) of each row of (finalists, rounds).

    The bootstrap is paired (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993): rounds are drawn with
    replacement, the same rounds for all rows. If several rows have the best mean, they share the resample.
    """
    rounds = scores.shape[1]
    drawn = np.random.default_rng(seed).integers(0, rounds, (RESAMPLES, rounds))
    means = (scores if maximize else -scores)[:, drawn].mean(axis=2)
    best = np.isclose(means, means.max(axis=0), rtol=0, atol=1e-12)
    shares = (best / best.sum(axis=0)).mean(axis=1)
    return tuple(shares.tolist())


def is_significantly_better(first: Sequence[float], second: Sequence[float], *, maximize: bool) -> bool:
    """True if a paired one-sided t-test at `LEVEL` finds the first better; it needs at least `LEAST_ROUNDS` rounds."""
    if len(first) < LEAST_ROUNDS:
        return False
    leads = np.subtract(first, second) if maximize else np.subtract(second, first)
    if np.allclose(leads, leads[0], rtol=1e-9, atol=0):  # without variance t is undefined
        return bool(leads[0] > 0)
    return bool(ttest_1samp(leads, 0, alternative="greater").pvalue <= LEVEL)


def dominated(scores: Scores, *, maximize: bool) -> tuple[int, ...]:
    """Return the finalists that are significantly worse than the leader, and so need no further rounds.

    `judge` uses the same test, so no finalist is dropped that may still be the best.
    """
    ordered = sorted(scores, key=lambda trial: float(np.mean(scores[trial])), reverse=maximize)
    return tuple(
        trial for trial in ordered[1:] if is_significantly_better(scores[ordered[0]], scores[trial], maximize=maximize)
    )
