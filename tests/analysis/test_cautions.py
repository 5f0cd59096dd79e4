"""Cautions, failures and times of a study."""

from __future__ import annotations

import dataclasses

from sweep.analysis.cautions import cautions
from sweep.analysis.failure_groups import failure_groups
from sweep.analysis.history import History
from sweep.analysis.leaderboard import lead
from sweep.analysis.progress import progress, time_spent
from sweep.study.importance import Importance, Importances
from tests.analysis.histories import IMAGES, complete, failed, history, pruned, with_epochs

NO_IMPORTANCES = Importances((), 0, 0, 0.1, 0)


def caution_text(found: History, importances: Importances = NO_IMPORTANCES) -> str:
    """All cautions in one text."""
    return "\n".join(cautions(found, lead(found), progress(found), importances))


def test_a_tie_names_the_trials() -> None:
    assert "Trial 0 shares the first place with trial 1" in caution_text(history(complete(0, 0.5), complete(1, 0.5)))


def test_fifty_trials_without_a_new_best_give_a_caution_and_forty_nine_do_not() -> None:
    def after(count: int) -> str:
        return caution_text(history(complete(0, 0.9), *(pruned(n, 0.1) for n in range(1, count + 1))))

    assert "50 trials have ended since the best trial" in after(50)
    assert "since the best trial" not in after(49)


def test_parameters_below_chance_are_named_and_those_above_are_not() -> None:
    rows = (Importance("a", 0.9, 0.8, 1.0, 0.1, 30), Importance("b", 0.05, 0.0, 0.1, 0.1, 30))
    text = caution_text(history(complete(0, 0.5)), Importances(rows, 30, 30, 0.1, 40))
    assert "No effect beyond chance was found for b;" in text


def test_the_same_value_in_all_trials_gives_a_caution() -> None:
    trials = [complete(n, 0.1 * n, values={"optimizer": "adam", "blocks": n % 4 + 1}) for n in range(4)]
    assert "the same value of optimizer," in caution_text(history(*trials))


def test_best_trials_that_are_still_improving_need_more_epochs() -> None:
    trials = [with_epochs(complete(n, 0.5 + n / 100), 2) for n in range(3)]
    assert "In 3 of the 3 best trials, the last epoch (2) was the best" in caution_text(history(*trials))


def test_trials_on_different_images_are_not_comparable() -> None:
    other = dataclasses.replace(IMAGES, split="6" * 64)
    assert "not comparable" in caution_text(history(complete(0, 0.5), complete(1, 0.6, data=other)))


def test_a_sampler_that_has_only_drawn_at_random_gives_a_caution() -> None:
    assert "only 3 trials are complete" in caution_text(history(*(complete(n, 0.1 * n) for n in range(3))))


def test_failures_are_grouped_by_cause_the_most_frequent_first() -> None:
    groups = failure_groups(history(failed(0, "oom", "no memory"), failed(1), failed(2, message="nan\nTraceback: x")))
    assert [(group.cause, [failure.number for failure in group.failures]) for group in groups] == [
        ("nan", [1, 2]),
        ("oom", [0]),
    ]
    assert groups[0].failures[1].summary == "nan"


def test_time_is_split_into_fit_build_and_rest_and_a_failed_trial_counts_its_epochs_as_fit() -> None:
    timed = complete(0, 0.5, timings={"fit": 8.0, "build": 1.0, "total": 10.0})
    rows = time_spent(history(timed, failed(1, timings={"total": 3.0})))
    assert [(row.state, row.fit, row.build, row.rest, row.median) for row in rows] == [
        ("complete", 8.0, 1.0, 1.0, 10.0),
        ("failed", 1.0, 0.0, 2.0, 3.0),
    ]


def test_values_that_differ_and_build_the_same_model_are_named() -> None:
    first = complete(0, 0.5, values={"optimizer": "adam", "blocks": 1})
    second = complete(1, 0.6, values={"optimizer": "adam", "blocks": 2}, same_model_as=0)

    assert (
        "Trials 0 and 1 differ in blocks but trained the same model with the same optimizer and augmentation: "
        "this difference has no effect."
    ) in caution_text(history(first, second))
    assert "but trained the same model" not in caution_text(
        history(first, dataclasses.replace(second, same_model_as=None))
    )
