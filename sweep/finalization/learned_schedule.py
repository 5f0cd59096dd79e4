"""How long, and with which learning rates, the final model is trained: as its repetitions have learned it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from sweep.records.trial_record import TrialRecord


@dataclass(frozen=True)
class Schedule:
    """Of the final training.

    Attributes:
        rates: learning rate of each epoch.
        reference: what the rates are taken from, for people.
    """

    rates: tuple[float, ...]
    reference: str


def learned_schedule(searched: TrialRecord, repeats: Sequence[TrialRecord]) -> Schedule:
    """As many epochs as the median best epoch, with the learning rates of the run whose best epoch is nearest to it.

    Of a run that ended before that epoch the last rate is held.

    Args:
        searched: the winner's trial; its run is the reference where there are no repetitions.
        repeats: the winner's rounds.
    """
    runs = [record for record in (repeats or (searched,)) if record.best_epoch is not None]
    epochs = round(statistics.median_high([record.best_epoch or 1 for record in runs]))
    nearest = min(runs, key=lambda record: abs((record.best_epoch or 1) - epochs))
    rates = [metrics.learning_rate for metrics in nearest.epochs[:epochs]]
    rates += rates[-1:] * (epochs - len(rates))
    return Schedule(tuple(rates), nearest.origin if repeats and nearest.origin else f"trial {nearest.number}")
