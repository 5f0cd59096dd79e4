"""Who deserves another look, and who is really best: judging repeated trainings of the best trials. Pure NumPy.

Every round trains all finalists once with the same seed and the same split, so what is luck of a split counts for all
alike and differences are judged within rounds.
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
"""By trial number the objective of each round, in order."""
Verdict = Literal["separated", "tie", "alone", "not repeated"]

LEAST_ROUNDS = 3
CERTAIN = 0.95
LEVEL = 0.01
"""One-sided level of the paired t-test against each rival. The rounds are looked at again and again, and a bootstrap of
three rounds is sure of itself whenever one finalist was ahead three times (one case in four between equals). In 4,000
simulated contests of up to 10 rounds (normal scores) the bootstrap alone told two equal finalists apart in 55 % and
five in 16 %; both conditions together in 8 % and 0.1 %. A true lead of two standard deviations of a single score was
found in 96 % and 82 % of the contests, after 6 and 8 rounds on average."""
RESAMPLES = 4000


@dataclass(frozen=True)
class Standing:
    """How one finalist did.

    Attributes:
        mean, deviation: of the objective over rounds; deviation is the sample's (n - 1), None for a single round.
        rounds: how many.
        best_share: bootstrap P(best): share of resampled sets of rounds in which its mean is the best; ties share.
    """

    trial: int
    scores: tuple[float, ...]
    mean: float
    deviation: float | None
    rounds: int
    best_share: float


@dataclass(frozen=True)
class Judgement:
    """What the rounds say.

    Attributes:
        verdict: `separated`: one is best, see `judge`; `tie`: the rounds cannot tell the best from `tied`; `alone`:
            there is one finalist only; `not repeated`: no round was finished.
        standings: of the finalists still compared, the best mean first.
        leader: trial with the best mean.
        tied: trials that cannot be told from the leader, the leader among them; by mean.
        recommended: the leader, or of those that may as well be the best the trial with the fewest parameters.
    """

    verdict: Verdict
    standings: tuple[Standing, ...]
    leader: int
    tied: tuple[int, ...]
    recommended: int


def choose_finalists(ranked: Sequence[TrialRecord], count: int) -> tuple[TrialRecord, ...]:
    """The best `count` trials, and whoever is within noise of the last of them.

    Noise is one standard error of the difference between two accuracies (the one-standard-error rule of Breiman et al.,
    "Classification and Regression Trees", 1984). Of a loss no noise is known: there only equal values come along.

    Args:
        ranked: complete trials, the best first.
        count: at least 1.
    """
    sure = tuple(ranked[:count])
    if not sure:
        return ()
    last = sure[-1]
    return (*sure, *(record for record in ranked[count:] if _within_noise(last, record)))


def _within_noise(last: TrialRecord, other: TrialRecord) -> bool:
    first, second = float(last.objective_value or 0.0), float(other.objective_value or 0.0)
    noise = noise_of_difference(first, second, last.data.validation) if last.config.direction == "maximize" else None
    return abs(first - second) <= (noise or 0.0)


def judge(scores: Scores, parameters: Mapping[int, int], *, maximize: bool, seed: int) -> Judgement:
    """Judge the finished rounds.

    A leader is separated after at least `LEAST_ROUNDS` rounds, if its bootstrap P(best) is `CERTAIN` or more and a
    paired t-test over rounds finds it better than each other finalist at `LEVEL` (one-sided). Else it is a tie with
    those of the others whose P(best) is 1 - `CERTAIN` or more; where there are none, with the second, and the leader is
    recommended.

    Args:
        scores: the same number of rounds for every finalist.
        parameters: weights of each finalist's model.
        maximize: whether more is better.
        seed: of the bootstrap.

    Raises:
        ValueError: no finalist, or unequal numbers of rounds.
    """
    rounds = {len(values) for values in scores.values()}
    if len(rounds) != 1:
        raise ValueError(f"expected as many rounds of every finalist, received {sorted(rounds)}")
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
    # Of few rounds the t-test is sure of nothing; who is hardly ever the best must not win by being small.
    near = [s.trial for s in open_to if s.best_share >= 1 - CERTAIN or s.rounds < LEAST_ROUNDS]
    tied = (leader, *near) if near else tuple(standing.trial for standing in standings[:2])
    return Judgement("tie", standings, leader, tied, min((leader, *near), key=lambda trial: parameters[trial]))


def _standings(scores: Scores, maximize: bool, seed: int) -> tuple[Standing, ...]:
    shares = probabilities_of_best(
        np.array([scores[trial] for trial in scores], dtype=float), maximize=maximize, seed=seed
    )
    found = [_standing(trial, scores[trial], share) for trial, share in zip(scores, shares, strict=True)]
    return tuple(sorted(found, key=lambda s: -s.mean if maximize else s.mean))


def _standing(trial: int, values: Sequence[float], share: float) -> Standing:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Standing(trial, tuple(values), float(np.mean(values)), deviation, len(values), share)


def probabilities_of_best(
    scores: np.ndarray[tuple[int, int], np.dtype[np.float64]], *, maximize: bool, seed: int
) -> tuple[float, ...]:
    """Bootstrap P(best) of each row of (finalists, rounds): rounds are drawn with replacement, the same for all rows.

    A paired bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993): luck of a round stays with all
    finalists of the round. Rows that share the best mean of a resample share its point.
    """
    rows, rounds = scores.shape
    drawn = np.random.default_rng(seed).integers(0, rounds, (RESAMPLES, rounds))
    means = (scores if maximize else -scores)[:, drawn].mean(axis=2)
    best = np.isclose(means, means.max(axis=0), rtol=0, atol=1e-12)
    shares = (best / best.sum(axis=0)).mean(axis=1)
    return tuple(float(share) for share in shares[:rows])


def is_significantly_better(first: Sequence[float], second: Sequence[float], *, maximize: bool) -> bool:
    """Whether the first is better by a paired one-sided t-test at `LEVEL`; never in less than `LEAST_ROUNDS` rounds."""
    if len(first) < LEAST_ROUNDS:
        return False
    leads = np.subtract(first, second) if maximize else np.subtract(second, first)
    if np.allclose(leads, leads[0], rtol=1e-9, atol=0):  # without variance t is undefined
        return bool(leads[0] > 0)
    return bool(ttest_1samp(leads, 0, alternative="greater").pvalue <= LEVEL)


def dominated(scores: Scores, *, maximize: bool) -> tuple[int, ...]:
    """Finalists that another one is significantly better than: more rounds could no longer make them the winner.

    The same test as for separation, so none is dropped whose being best is still open.
    """
    ordered = sorted(scores, key=lambda trial: float(np.mean(scores[trial])), reverse=maximize)
    return tuple(
        trial for trial in ordered[1:] if is_significantly_better(scores[ordered[0]], scores[trial], maximize=maximize)
    )
