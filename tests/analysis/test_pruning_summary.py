"""What pruning saved, and whether the cut sees the end."""

from __future__ import annotations

import pytest

from sweep.analysis.pruning_summary import summarize_pruning
from tests.analysis.histories import IMAGES, complete, history, pruned, with_epochs
from tests.fakes import make_record


def test_saved_are_the_epochs_between_the_cut_and_the_limit() -> None:
    found = summarize_pruning(history(pruned(0, 0.1), pruned(1, 0.1), pruned(2, 0.1, 0.2, 0.3), complete(3, 0.5)))
    assert found.cuts == {1: 2, 3: 1}
    assert (found.usual_cut, found.saved, found.stopped_early, found.trained) == (1, 7, 2, 7)
    assert found.saved_share == 0.5
    assert found.saved_seconds == 7.0  # an epoch of these took a second


def test_without_a_pruned_trial_nothing_is_saved() -> None:
    found = summarize_pruning(history(with_epochs(complete(0, 0.5), 2)))
    assert (found.saved, found.saved_share, found.usual_cut, found.foresight) == (0, 0.0, None, None)


def test_a_cut_that_ranks_trials_as_the_end_does_foresees_it() -> None:
    trials = [complete(number, 0.1 * number) for number in range(1, 7)]
    found = summarize_pruning(history(pruned(0, 0.01), *trials))
    assert found.foresight == pytest.approx(1.0)
    assert (found.winner_rank, found.compared) == (1, 6)


def test_a_winner_that_starts_slowly_is_behind_at_the_cut() -> None:
    slow = make_record(1, (0.1, 0.9), data=IMAGES)
    found = summarize_pruning(history(pruned(0, 0.01), slow, complete(2, 0.8), complete(3, 0.7)))
    assert found.winner_rank == 3


def test_foresight_shares_ranks_among_equals_and_is_undefined_for_a_constant() -> None:
    def foresight(*early: float) -> float | None:
        trials = [make_record(n, (value, 0.5 + n / 10), data=IMAGES) for n, value in enumerate(early)]
        return summarize_pruning(history(pruned(9, 0.01), *trials)).foresight

    assert foresight(0.1, 0.2, 0.3, 0.4, 0.45) == pytest.approx(1.0)
    assert foresight(0.45, 0.4, 0.3, 0.2, 0.1) == pytest.approx(-1.0)
    assert foresight(0.1, 0.1, 0.2, 0.3, 0.4) == pytest.approx(0.9747, abs=1e-4)  # ranks 1.5, 1.5, 3, 4, 5
    assert foresight(0.1, 0.1, 0.1, 0.1, 0.1) is None
