from __future__ import annotations

import numpy as np
import pytest

from sweep.data.splits import check_classes, choose, hold_out
from sweep.errors import DataError

LABELS = np.repeat([0, 1, 2], [60, 30, 10])
CLASSES = ("cat", "dog", "owl")


def test_a_choice_keeps_the_shares_of_the_classes() -> None:
    chosen = choose(LABELS, 20, seed=0)
    assert np.bincount(LABELS[chosen]).tolist() == [12, 6, 2]


@pytest.mark.parametrize("count", [7, 23, 50, 98, 99])
def test_a_choice_has_exactly_the_requested_size(count: int) -> None:
    chosen = choose(LABELS, count, seed=0)
    assert len(set(chosen.tolist())) == count
    assert chosen.tolist() == sorted(chosen.tolist())


@pytest.mark.parametrize("count", [100, 5000])
def test_a_choice_of_all_or_more_is_all(count: int) -> None:
    assert choose(LABELS, count, seed=0).tolist() == list(range(100))


def test_a_choice_follows_its_seed() -> None:
    assert choose(LABELS, 20, seed=1).tolist() == choose(LABELS, 20, seed=1).tolist()
    assert choose(LABELS, 20, seed=1).tolist() != choose(LABELS, 20, seed=2).tolist()


def test_a_choice_never_changes() -> None:
    assert choose(LABELS, 10, seed=0).tolist() == [2, 11, 26, 28, 35, 59, 71, 72, 85, 97]


def test_holding_out_is_stratified_and_loses_nothing() -> None:
    kept, held = hold_out(LABELS, CLASSES, "validation", 0.2, seed=0)
    assert np.bincount(LABELS[kept]).tolist() == [48, 24, 8]
    assert np.bincount(LABELS[held]).tolist() == [12, 6, 2]
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(100))
    assert kept.tolist() == sorted(kept.tolist())
    assert held.tolist() == sorted(held.tolist())


def test_holding_out_never_changes() -> None:
    _, held = hold_out(LABELS, CLASSES, "validation", 0.1, seed=0)
    assert held.tolist() == [0, 3, 44, 47, 53, 55, 64, 65, 81, 94]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 0, 1, 1, 2], "every class needs at least 2 images, but `owl` has 1"),
        ([0, 0, 1, 1], "but `owl` has 0"),
        ([0] * 6 + [1] * 6 + [2] * 6, r"`validation: 0\.1` splits off 2 of 18 images for 3 classes"),
        ([0] * 60 + [1] * 60 + [2] * 2, r"`validation: 0\.1` splits off none of `owl`; .* raise `limit`"),
    ],
)
def test_a_class_too_small_to_split_is_named(labels: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        hold_out(np.array(labels), CLASSES, "validation", 0.1, seed=0)


def test_one_class_is_not_enough() -> None:
    with pytest.raises(DataError, match=r"training part: 1 class \(cat\); a classifier needs at least 2"):
        check_classes(np.zeros(9, dtype=np.int64), ("cat",), "training part")


def test_of_many_small_classes_the_first_are_listed() -> None:
    with pytest.raises(DataError, match="`0` has 1, `1` has 1, `2` has 1, `3` has 1, `4` has 1 and 3 more"):
        check_classes(np.arange(8), tuple("01234567"), "training part")
