from __future__ import annotations

from sweep.terminal.tally import Tally
from tests.fakes import make_record


def test_trials_of_earlier_runs_count_as_ended() -> None:
    before = [make_record(0, (0.5,)), make_record(1, state="failed"), make_record(2, state="interrupted")]
    tally = Tally(total=6, workers=1, epochs=4, before=before)
    assert (tally.ended, tally.count("complete"), tally.count("failed")) == (2, 1, 1)
    tally(make_record(2, (0.75,), state="pruned"), 0)
    assert (tally.ended, tally.count("pruned"), tally.count("interrupted")) == (3, 1, 0)
    assert tally.best is not None
    assert tally.best.number == 0


def test_the_newest_record_of_a_trial_counts() -> None:
    tally = Tally(total=2, workers=2, epochs=4)
    assert tally.best is None
    tally(make_record(0, state="running"), 1)
    tally(make_record(0, (0.5, 0.625)), 1)
    assert [record.state for record in tally.records] == ["complete"]
    assert tally.on_worker(0) is None
    on_worker = tally.on_worker(1)
    assert on_worker is not None
    assert on_worker.objective_value == 0.625


def test_the_time_left_is_unknown_until_a_trial_of_this_run_has_ended() -> None:
    tally = Tally(total=6, workers=1, epochs=4, before=[make_record(0, (0.5,))])
    assert tally.seconds_left(10.0) is None
    tally(make_record(1, (0.5,), state="running"), 0)
    assert tally.seconds_left(10.0) is None


def test_the_time_left_follows_from_the_trials_of_this_run() -> None:
    tally = Tally(total=10, workers=1, epochs=4, before=[make_record(0, (0.5,))])
    tally(make_record(1, (0.5,) * 4), 0)
    assert tally.seconds_left(10.0) == 80.0  # eight more trials of ten seconds each
    tally(make_record(2, (0.5, 0.5), state="running"), 0)
    assert tally.seconds_left(15.0) == 75.0  # one of the eight is half done
    tally(make_record(2, (0.5,) * 4), 0)
    assert tally.seconds_left(20.0) == 70.0


def test_more_workers_shorten_the_time_left() -> None:
    tally = Tally(total=8, workers=2, epochs=4)
    for number in (0, 1):
        tally(make_record(number, (0.5,) * 4), number)
    assert tally.seconds_left(10.0) == 30.0


def test_the_time_left_is_never_less_than_0() -> None:
    tally = Tally(total=1, workers=1, epochs=4)
    tally(make_record(0, (0.5,) * 4), 0)
    assert tally.seconds_left(10.0) == 0.0
    tally = Tally(total=2, workers=2, epochs=4)
    tally(make_record(0, (0.5,), state="pruned"), 0)
    tally(make_record(1, (0.5,) * 4, state="running"), 1)  # four times as many epochs as the trial before
    assert tally.seconds_left(10.0) == 0.0


def test_trials_that_failed_before_their_first_epoch_count_for_the_time_left() -> None:
    tally = Tally(total=4, workers=2, epochs=4)
    tally(make_record(0, state="failed", reason="too_large"), 0)
    tally(make_record(1, (0.5,), state="running"), 1)
    assert tally.seconds_left(6.0) == 18.0


def test_only_the_rank_of_an_ended_trial_is_kept() -> None:
    tally = Tally(total=4, workers=1, epochs=4)
    tally(make_record(0, (0.5, 0.75), state="running"), 0)
    assert len(tally.records[0].epochs) == 2
    tally(make_record(0, (0.5, 0.75), message="x" * 1000), 0)
    (kept,) = tally.records
    assert (kept.epochs, kept.message, kept.objective_value, kept.best_epoch) == ((), "", 0.75, 2)
    assert tally.seconds_left(elapsed=10.0) == 30.0


def test_the_epochs_of_earlier_runs_are_not_kept() -> None:
    tally = Tally(total=4, workers=1, epochs=4, before=[make_record(0, (0.5, 0.75), message="x" * 1000)])
    (kept,) = tally.records
    assert (kept.epochs, kept.message, kept.objective_value) == ((), "", 0.75)
    assert tally.before == [kept]
    assert tally.best == kept


def test_the_earliest_of_equally_good_trials_is_the_best() -> None:
    tally = Tally(total=4, workers=2, epochs=4, before=[make_record(3, (0.5,))])
    for number, accuracy, expected in ((2, 0.5, 2), (1, 0.25, 2), (4, 0.5, 2), (0, 0.75, 0)):
        tally(make_record(number, (accuracy,)), 0)
        assert tally.best is not None
        assert tally.best.number == expected


def test_a_trial_that_runs_again_on_another_worker_counts_once_for_the_time_left() -> None:
    tally = Tally(total=4, workers=2, epochs=4)
    tally(make_record(0, (0.5,) * 4), 0)
    tally(make_record(1, (0.5, 0.5), state="running"), 0)
    tally(make_record(1, (0.5, 0.5), state="running"), 1)
    assert tally.seconds_left(15.0) == 25.0  # half of trial 1, and two more trials of ten seconds each


def test_an_interrupted_trial_no_longer_runs() -> None:
    tally = Tally(total=3, workers=1, epochs=4)
    tally(make_record(0, (0.5,) * 4), 0)
    tally(make_record(1, (0.5,) * 4, state="running"), 0)
    tally(make_record(1, (0.5,) * 4, state="interrupted"), 0)
    assert (tally.count("running"), tally.count("interrupted"), tally.ended) == (0, 1, 1)
    assert tally.seconds_left(10.0) == 20.0
