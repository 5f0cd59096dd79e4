from __future__ import annotations

import dataclasses

from sweep.finalization.final_training import learned_schedule
from sweep.records.trial_record import TrialRecord
from sweep.records.trial_result import EpochMetrics
from tests.fakes import make_record


def run(best: int, rates: tuple[float, ...], origin: str | None = None) -> TrialRecord:
    """A run with the given best epoch."""
    epochs = tuple(EpochMetrics(e, 1.0, 0.5, 1.0, 0.5, rate, 1.0) for e, rate in enumerate(rates, start=1))
    return dataclasses.replace(make_record(3), epochs=epochs, best_epoch=best, origin=origin)


def test_the_epochs_are_the_median_and_the_rates_those_of_the_run_nearest_to_it() -> None:
    repeats = [
        run(2, (0.1, 0.1, 0.1), "demo/3 round 1"),
        run(3, (0.1, 0.05, 0.05, 0.05), "demo/3 round 2"),
        run(5, (0.1, 0.1, 0.1, 0.1, 0.1), "demo/3 round 3"),
    ]
    found = learned_schedule(run(9, (0.5,) * 9), repeats)

    assert found.rates == (0.1, 0.05, 0.05)
    assert found.reference == "demo/3 round 2"


def test_of_two_medians_the_longer_counts_and_a_short_run_holds_its_last_rate() -> None:
    found = learned_schedule(run(1, (0.5,)), [run(2, (0.1, 0.05)), run(4, (0.2, 0.2, 0.2, 0.1))])

    assert found.rates == (0.2, 0.2, 0.2, 0.1)
    held = learned_schedule(run(3, (0.5, 0.25)), [])
    assert held.rates == (0.5, 0.25, 0.25)


def test_without_repeats_the_trial_itself_is_the_reference() -> None:
    found = learned_schedule(run(2, (0.5, 0.25, 0.1), "recipe.yaml"), [])

    assert (found.rates, found.reference) == ((0.5, 0.25), "trial 3")
