from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sweep.execution.start_order import Cost, TrialQueue
from sweep.space.config import TrialConfig
from tests.fakes import make_space, make_study

RATES = "start_from: [{learning_rate: 0.01}, {learning_rate: 0.1}, {learning_rate: 1.0}, {learning_rate: 0.001}]"


def by_learning_rate(configs: Sequence[TrialConfig]) -> list[float]:
    return [config.training.learning_rate for config in configs]


def numbers(folder: Path, workers: int, total: int, cost: Cost | None = by_learning_rate) -> list[int]:
    queue = TrialQueue(make_study(folder / "demo", make_space(more=RATES)), workers, cost)
    found = []
    while (pending := queue.next(total)) is not None:
        found.append(pending.number)
    return found


def test_the_last_two_trials_of_each_worker_start_with_the_longest(tmp_path: Path) -> None:
    assert numbers(tmp_path, workers=2, total=4) == [2, 1, 0, 3]


def test_trials_before_the_last_ones_keep_their_order(tmp_path: Path) -> None:
    assert numbers(tmp_path, workers=2, total=6)[:2] == [0, 1]


def test_one_worker_keeps_the_order(tmp_path: Path) -> None:
    assert numbers(tmp_path, workers=1, total=4) == [0, 1, 2, 3]


def test_without_a_cost_the_order_is_kept(tmp_path: Path) -> None:
    assert numbers(tmp_path, workers=2, total=4, cost=None) == [0, 1, 2, 3]


def test_trials_of_equal_cost_keep_their_order(tmp_path: Path) -> None:
    assert numbers(tmp_path, workers=2, total=4, cost=lambda configs: [1.0] * len(configs)) == [0, 1, 2, 3]


def test_a_trial_that_was_requested_and_never_started_is_returned_again(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo", make_space(more=RATES))
    first = TrialQueue(study, 2, by_learning_rate).next(4)
    assert first is not None
    again = TrialQueue(make_study(tmp_path / "demo", make_space(more=RATES)), 2, by_learning_rate)
    assert sorted(pending.number for _ in range(4) if (pending := again.next(4))) == [0, 1, 2, 3]
    assert again.next(4) is None
