"""The winner, and whether its lead is more than noise."""

from __future__ import annotations

import pytest

from sweep.analysis.leaderboard import Lead, lead, noise_of_difference, standard_error, standings
from tests.analysis.histories import TEXT, complete, failed, history, make_space, pruned


def test_the_standard_error_of_half_on_a_hundred_images_is_five_points() -> None:
    assert standard_error(0.5, 100) == 0.05


def test_a_value_that_is_not_a_proportion_has_no_standard_error() -> None:
    assert standard_error(1.5, 100) is None
    assert standard_error(0.5, 0) is None


def test_the_noise_of_a_difference_is_the_root_of_the_summed_squares() -> None:
    assert noise_of_difference(0.5, 0.5, 100) == pytest.approx(0.0707, abs=1e-4)


def test_four_points_on_a_hundred_images_are_noise() -> None:
    found = lead(history(complete(0, 0.54), complete(1, 0.5)))
    assert (found.verdict, found.best, found.runner_up, found.rivals) == ("within noise", 0, 1, 1)
    assert found.gap == pytest.approx(0.04)


def test_thirty_points_on_a_hundred_images_are_not_noise() -> None:
    found = lead(history(complete(0, 0.5), complete(1, 0.8)))
    assert (found.verdict, found.best, found.rivals) == ("clear", 1, 0)


def test_equal_objectives_tie_and_the_earlier_trial_leads() -> None:
    found = lead(history(complete(0, 0.4), complete(1, 0.8), complete(2, 0.8), complete(3, 0.8)))
    assert (found.verdict, found.best, found.ties) == ("tie", 1, (2, 3))


def test_the_noise_of_a_loss_is_unknown() -> None:
    space = make_space(TEXT + "search: {objective: val_loss}\n")
    found = lead(history(complete(0, 0.5), complete(1, 0.25), space=space))
    assert (found.verdict, found.best, found.gap, found.standard_error) == ("unknown", 1, 0.25, None)


def test_one_complete_trial_is_alone_and_without_one_there_is_no_winner() -> None:
    assert lead(history(complete(0, 0.5), pruned(1, 0.9))).verdict == "alone"
    assert lead(history(pruned(1, 0.9))) == Lead("nobody")


def test_complete_trials_come_before_pruned_ones_and_those_before_failed_ones() -> None:
    rows = standings(history(failed(0), pruned(1, 0.9), complete(2, 0.5), complete(3, 0.75)))
    assert [(row.number, row.state, row.behind) for row in rows] == [
        (3, "complete", 0.0),
        (2, "complete", 0.25),
        (1, "pruned", None),
        (0, "failed", None),
    ]
