"""The course of a search."""

from __future__ import annotations

from typing import Any

from sweep.analysis.progress import progress
from tests.analysis.histories import complete, failed, history, pruned


def at(begin: str, end: str) -> dict[str, Any]:
    """Return the start and the end of a trial, at these times of the same day."""
    return {"started": f"2025-01-02T{begin}:00+00:00", "finished": f"2025-01-02T{end}:00+00:00"}


def test_the_best_so_far_follows_the_order_in_which_trials_ended() -> None:
    found = progress(
        history(
            complete(0, 0.75, **at("10:00", "13:00")),
            complete(1, 0.5, **at("10:00", "11:00")),
            pruned(2, 0.9, **at("11:00", "12:00")),
        )
    )
    assert [(step.place, step.number, step.best) for step in found.steps] == [(1, 1, 0.5), (2, 2, 0.5), (3, 0, 0.75)]
    assert (found.improvements, found.since_best) == (2, 0)


def test_parallel_hours_count_once_and_pauses_do_not_count() -> None:
    found = progress(
        history(
            complete(0, 0.5, **at("10:00", "11:00")),
            complete(1, 0.5, **at("10:30", "11:30")),
            complete(2, 0.5, **at("20:00", "21:00")),
        )
    )
    assert [step.hours for step in found.steps] == [1.0, 1.5, 2.5]
    assert found.hours == 2.5


def test_no_pause_between_trials_counts() -> None:
    trials = [
        complete(
            number,
            0.5,
            started=f"2025-01-0{day}T10:00:00+00:00",
            finished=f"2025-01-0{day}T11:00:00+00:00",
            timings={"total": 3600.0},
        )
        for number, day in enumerate((2, 3, 5, 9))
    ]
    assert [step.hours for step in progress(history(*trials)).steps] == [1.0, 2.0, 3.0, 4.0]


def test_trials_without_readable_times_count_before_all_others() -> None:
    timed = complete(1, 0.5, finished="2025-01-02T11:00:00+00:00", timings={"total": 1800.0})
    found = progress(history(complete(0, 0.5, finished=None, timings={"total": 3600.0}), timed))
    assert [step.hours for step in found.steps] == [1.0, 1.5]


def test_the_wall_time_counts_and_not_the_first_start_of_a_resumed_trial() -> None:
    record = complete(0, 0.5, **at("01:00", "21:00"), timings={"total": 1800.0})
    assert progress(history(record)).hours == 0.5


def test_trials_without_readable_times_count_with_their_epochs() -> None:
    record = complete(0, 0.5, finished="yesterday")  # two epochs of one second each
    assert progress(history(record)).hours == 2 / 3600


def test_trials_since_the_best_and_the_counts_include_failed_trials() -> None:
    found = progress(history(complete(0, 0.5), pruned(1, 0.1), failed(2)))
    assert found.since_best == 2
    assert found.counts == {"complete": 1, "pruned": 1, "failed": 1}
