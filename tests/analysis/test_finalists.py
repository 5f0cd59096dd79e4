from __future__ import annotations

import numpy as np
import pytest

from sweep.analysis.finalists import choose_finalists, dominated, is_significantly_better, judge, probabilities_of_best
from tests.analysis.histories import complete

AHEAD = {4: (0.90, 0.91, 0.92, 0.93), 7: (0.85, 0.86, 0.87, 0.87)}
EVEN = {4: (0.90, 0.92, 0.90, 0.92), 7: (0.91, 0.91, 0.91, 0.90)}
WEIGHTS = {4: 5000, 7: 300, 9: 200}


def test_a_finalist_that_is_ahead_in_every_round_is_separated() -> None:
    found = judge(AHEAD, WEIGHTS, maximize=True, seed=0)

    assert (found.verdict, found.leader, found.recommended, found.tied) == ("separated", 4, 4, (4,))
    assert [(s.trial, round(s.mean, 4), s.rounds) for s in found.standings] == [(4, 0.915, 4), (7, 0.8625, 4)]
    assert round(found.standings[0].deviation or 0, 5) == 0.01291
    assert [s.best_share for s in found.standings] == [1.0, 0.0]


def test_in_a_tie_the_smaller_model_is_recommended() -> None:
    found = judge(EVEN, WEIGHTS, maximize=True, seed=0)

    assert (found.verdict, found.leader, found.recommended) == ("tie", 4, 7)
    assert found.tied == (4, 7)
    assert 0.5 < found.standings[0].best_share < 0.95


def test_two_rounds_never_separate_finalists() -> None:
    found = judge({4: (0.9, 0.9), 7: (0.5, 0.5)}, WEIGHTS, maximize=True, seed=0)

    assert found.verdict == "tie"
    assert found.standings[0].best_share == 1.0


def test_a_small_model_that_is_almost_never_best_is_not_part_of_a_tie() -> None:
    # Rounds that vary: the t-test keeps all three, but the third is best in one resample of a thousand.
    scores = {4: (0.97, 0.99, 0.97, 0.98), 5: (0.98, 0.96, 0.98, 0.97), 7: (0.93, 0.98, 0.94, 0.95)}
    found = judge(scores, {4: 9000, 5: 8000, 7: 100}, maximize=True, seed=3)

    assert [standing.trial for standing in found.standings] == [4, 5, 7]
    assert found.standings[2].best_share < 0.05 < found.standings[1].best_share
    assert (found.verdict, found.tied, found.recommended) == ("tie", (4, 5), 5)
    pair = judge({4: (0.95,) * 4, 7: (0.80, 0.93, 0.955, 0.70)}, {4: 9000, 7: 100}, maximize=True, seed=3)
    assert (pair.verdict, pair.tied, pair.recommended) == ("tie", (4, 7), 4)
    early = judge({trial: values[:2] for trial, values in scores.items()}, {4: 9, 5: 8, 7: 1}, maximize=True, seed=3)
    assert (early.verdict, early.recommended) == ("tie", 7)  # two rounds are too few


def test_three_lucky_rounds_with_a_lead_that_varies_are_still_a_tie() -> None:
    scores = {4: (0.91, 0.95, 0.90), 7: (0.90, 0.90, 0.895)}
    found = judge(scores, WEIGHTS, maximize=True, seed=0)

    assert found.standings[0].best_share == 1.0
    assert found.verdict == "tie"


def test_the_lowest_loss_wins() -> None:
    scores = {4: (0.30, 0.31, 0.32, 0.31), 7: (0.25, 0.26, 0.27, 0.265)}
    found = judge(scores, WEIGHTS, maximize=False, seed=0)

    assert (found.verdict, found.leader) == ("separated", 7)


def test_one_finalist_is_alone_and_without_rounds_nothing_is_repeated() -> None:
    assert judge({4: (0.9,)}, WEIGHTS, maximize=True, seed=0).verdict == "alone"
    empty = judge({4: (), 7: ()}, WEIGHTS, maximize=True, seed=0)
    assert (empty.verdict, empty.recommended, empty.standings) == ("not repeated", 4, ())
    with pytest.raises(ValueError, match=r"the same number of rounds for every finalist, received \[1, 2\]"):
        judge({4: (0.9,), 7: (0.9, 0.8)}, WEIGHTS, maximize=True, seed=0)


def test_the_bootstrap_is_paired_so_that_the_luck_of_a_round_counts_for_all() -> None:
    # The rounds differ by 0.4, the finalists by 0.01: unpaired resampling would find almost equal chances.
    shares = probabilities_of_best(np.array([[0.51, 0.91, 0.71], [0.50, 0.90, 0.70]]), maximize=True, seed=3)

    assert shares == (1.0, 0.0)


def test_a_resample_has_the_original_number_of_rounds() -> None:
    # Of the four ways to draw two rounds the first finalist has the better mean in three.
    first, second = probabilities_of_best(np.array([[0.0, 0.9], [0.3, 0.3]]), maximize=True, seed=3)

    assert first == pytest.approx(0.75, abs=0.02)
    assert second == pytest.approx(0.25, abs=0.02)


def test_equal_scores_share_the_first_place() -> None:
    assert probabilities_of_best(np.array([[0.5, 0.7], [0.5, 0.7]]), maximize=True, seed=3) == (0.5, 0.5)


def test_the_paired_t_test_has_the_critical_values_of_the_table() -> None:
    # Differences 1, 1, 1 + d: t of 3 rounds must reach 6.965 at one per cent.
    assert is_significantly_better((1.0, 1.0, 1.5), (0.0, 0.0, 0.0), maximize=True)  # t = 7.0
    assert not is_significantly_better((1.0, 1.0, 1.51), (0.0, 0.0, 0.0), maximize=True)  # t = 6.88
    assert not is_significantly_better((1.0, 1.0), (0.0, 0.0), maximize=True)


def test_a_lead_without_variance_is_significant_and_no_lead_is_not() -> None:
    assert is_significantly_better((0.9, 0.91, 0.92), (0.8, 0.81, 0.82), maximize=True)
    assert not is_significantly_better((0.9, 0.91, 0.92), (0.8, 0.81, 0.82), maximize=False)
    assert not is_significantly_better((0.9, 0.9, 0.9), (0.9, 0.9, 0.9), maximize=True)


def test_only_finalists_that_are_clearly_behind_are_dominated() -> None:
    scores = {**AHEAD, 9: (0.91, 0.90, 0.92, 0.92)}

    assert dominated(scores, maximize=True) == (7,)
    assert dominated({4: (0.9, 0.9), 7: (0.1, 0.1)}, maximize=True) == ()


def test_finalists_are_the_best_trials_and_those_within_a_standard_error_of_the_last() -> None:
    # Of 100 images at 0.90 the standard error of a difference is about 0.043.
    ranked = [complete(n, value) for n, value in enumerate((0.95, 0.90, 0.87, 0.86, 0.80))]

    assert [record.number for record in choose_finalists(ranked, 2)] == [0, 1, 2, 3]
    assert [record.number for record in choose_finalists(ranked, 5)] == [0, 1, 2, 3, 4]
    assert choose_finalists([], 5) == ()
