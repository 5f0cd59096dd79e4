"""The ranking of the trials, and whether the winner's lead is more than the noise of the validation images."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from sweep.analysis.history import History, total_seconds, value_of
from sweep.analysis.trial_row import TrialRow, trial_row

LeadVerdict = Literal["nobody", "alone", "tie", "within noise", "clear", "unknown"]

NOISE_LIMIT = 2.0
"""A lead of fewer standard errors than this is noise; two standard errors cover about 95 % of a normal distribution."""


@dataclass(frozen=True)
class Lead:
    """The winner and its lead.

    Attributes:
        verdict: `within noise` and `clear` compare the lead with `noise`; `unknown` if the objective is a loss, whose
            noise cannot be computed from the records.
        best: number of the winning trial.
        value: objective of the winning trial.
        runner_up: number of the second trial.
        gap: lead over the second trial, 0 or more.
        validation: number of validation images.
        standard_error: standard error of the winner's accuracy, see `standard_error`.
        noise: standard error of the difference between the two accuracies.
        rivals: number of other complete trials within `NOISE_LIMIT` standard errors of the winner.
        ties: numbers of the trials with exactly the winner's objective.
    """

    verdict: LeadVerdict
    best: int | None = None
    value: float | None = None
    runner_up: int | None = None
    gap: float | None = None
    validation: int = 0
    standard_error: float | None = None
    noise: float | None = None
    rivals: int = 0
    ties: tuple[int, ...] = ()


def standings(history: History) -> tuple[TrialRow, ...]:
    """Return a row per trial: complete trials by rank, pruned trials by value, then the other trials by number."""
    ranked = (*history.ranked, *history.pruned)
    placed = {record.number for record in ranked}
    rest = (record for record in history.records if record.number not in placed)
    rows = tuple(replace(trial_row(record), seconds=total_seconds(record)) for record in (*ranked, *rest))
    return tuple(
        replace(row, behind=abs(row.value - value_of(history.ranked[0])))
        if row.state == "complete" and row.value is not None
        else row
        for row in rows
    )


def lead(history: History) -> Lead:
    """Return the winner, and whether its lead is more than noise."""
    if not history.ranked:
        return Lead("nobody")
    best, *others = history.ranked
    value, images = value_of(best), best.data.validation
    error = standard_error(value, images) if history.maximize else None
    if not others:
        return Lead("alone", best.number, value, validation=images, standard_error=error)
    gap = abs(value - value_of(others[0]))
    ties = tuple(record.number for record in others if record.objective_value == value)
    noise = noise_of_difference(value, value_of(others[0]), images) if history.maximize else None
    return Lead(
        verdict=_verdict(gap, noise),
        best=best.number,
        value=value,
        runner_up=others[0].number,
        gap=gap,
        validation=images,
        standard_error=error,
        noise=noise,
        rivals=sum(_is_rival(value, value_of(record), images) for record in others) if error is not None else len(ties),
        ties=ties,
    )


def _verdict(gap: float, noise: float | None) -> LeadVerdict:
    if gap == 0:
        return "tie"
    if noise is None:
        return "unknown"
    return "clear" if gap >= NOISE_LIMIT * noise else "within noise"


def _is_rival(best: float, other: float, images: int) -> bool:
    noise = noise_of_difference(best, other, images)
    return noise is not None and abs(best - other) < NOISE_LIMIT * noise


def standard_error(accuracy: float, images: int) -> float | None:
    """Return the standard error of an accuracy on this number of images, sqrt(p (1 - p) / n).

    This is the standard deviation of a binomial proportion. None if `images` is 0 or `accuracy` is not in 0..1.
    """
    if images < 1 or not 0 <= accuracy <= 1:
        return None
    return math.sqrt(accuracy * (1 - accuracy) / images)


def noise_of_difference(first: float, second: float, images: int) -> float | None:
    """Return the standard error of the difference of two accuracies, as if measured on different images.

    In fact both are measured on the same images, where models make similar errors. The true standard error is therefore
    smaller, and a lead with the verdict `clear` is certainly more than noise.
    """
    one, other = standard_error(first, images), standard_error(second, images)
    return None if one is None or other is None else math.hypot(one, other)
