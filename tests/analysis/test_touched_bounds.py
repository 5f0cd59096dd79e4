"""The ends of ranges that good trials touch, and the next space."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sweep.analysis.next_space import next_name, next_space
from sweep.analysis.touched_bounds import TouchedBound, touched_bounds
from sweep.space.fields import Value
from sweep.space.parameters import Choice
from sweep.space.reader import space_from_text
from sweep.space.writer import space_to_yaml
from tests.analysis.histories import TEXT, complete, history, make_space


def touched(name: str, values: Sequence[Value], text: str = TEXT) -> list[tuple[str, str, Value, int]]:
    """Return the touched bounds if the best trials have these values of a parameter."""
    trials = [complete(number, 0.9 - 0.01 * number, values={name: value}) for number, value in enumerate(values)]
    worse = [complete(100 + n, 0.1, values={}) for n in range(10 * len(values) - len(values))]
    found = touched_bounds(history(*trials, *worse, space=make_space(text)))
    return [(touch.name, touch.end, touch.bound, touch.trials) for touch in found]


def space_after(name: str, end: str, text: str = TEXT) -> tuple[object, Value]:
    """Return the parameter of the next space and the new bound."""
    space = make_space(text)
    bound = 0
    touch = TouchedBound(name, end, bound, 3, 3, 0.0)  # type: ignore[arg-type]
    found = next_space(space, [touch], "demo-2")
    change = found.changes[0]
    if found.space is None:
        return None, change.new
    assert space_from_text(space_to_yaml(found.space), "next_space.yaml") == found.space
    assert found.space.study == "demo-2"
    return next(parameter for parameter in found.space.parameters if parameter.name == name), change.new


def test_a_log_range_is_touched_within_five_percent_of_its_logarithm() -> None:
    # Three decades: 5 % of them is a factor of 1.41.
    assert touched("learning_rate", [0.072, 0.08, 0.099]) == [("learning_rate", "high", 0.1, 3)]
    assert touched("learning_rate", [0.06, 0.08, 0.099]) == []
    assert touched("learning_rate", [1e-4, 1.1e-4, 1.3e-4]) == [("learning_rate", "low", 1e-4, 3)]


def test_a_linear_range_is_touched_within_five_percent_of_its_width() -> None:
    assert touched("label_smoothing", [0.0, 0.001, 0.005]) == [("label_smoothing", "low", 0.0, 3)]


def test_three_trials_at_the_last_of_four_integers_are_chance_and_five_are_not() -> None:
    assert touched("blocks", [4, 4, 4]) == []  # (1/4)^3 is more than one in five hundred
    assert touched("blocks", [4, 4, 4, 4, 4]) == [("blocks", "high", 4, 5)]


def test_choices_of_numbers_have_ends_and_choices_of_words_do_not() -> None:
    assert touched("batch_size", [128] * 6) == [("batch_size", "high", 128, 6)]
    assert touched("optimizer", ["adam"] * 9) == []


def test_a_few_of_many_good_trials_at_an_end_are_chance() -> None:
    spread = [0.0001 * 1000 ** (place / 49) for place in range(50)]
    assert touched("learning_rate", spread) == []


def test_the_chance_of_a_pile_is_a_binomial_tail() -> None:
    trials = [complete(number, 0.9, values={"batch_size": 128}) for number in range(6)]
    (touch,) = touched_bounds(history(*trials, *(complete(100 + n, 0.1, values={}) for n in range(54))))
    assert touch.chance == pytest.approx((1 / 3) ** 6)


@pytest.mark.parametrize(
    ("name", "end", "new"),
    [
        ("learning_rate", "high", 1.0),  # one decade is the limit; half of the range would be one and a half
        ("learning_rate", "low", 1e-5),
        ("blocks", "high", 6),
        ("momentum", "low", 0.71),
        ("momentum", "high", 0.9938),  # half of the range would exceed 1, which is not allowed
        ("label_smoothing", "high", 0.15),
        ("l2", "high", 0.1),
        ("batch_size", "high", 256),
        ("batch_size", "low", 16),
        ("filters_2", "high", 64),
    ],
)
def test_a_touched_end_moves_as_far_as_the_configuration_allows(name: str, end: str, new: Value) -> None:
    parameter, value = space_after(name, end)
    assert value == new
    kept = parameter.choices if isinstance(parameter, Choice) else (parameter.low, parameter.high)  # type: ignore[attr-defined]
    assert new in kept


def test_an_end_beyond_which_nothing_is_allowed_stays() -> None:
    assert space_after("label_smoothing", "low") == (None, None)
    assert space_after("blocks", "low") == (None, None)


def test_additional_blocks_get_choices() -> None:
    text = TEXT.replace("choices: [8, 16, 32]", "choices: [[8], [16], [16, 32], [32, 64]]")
    parameter, _ = space_after("blocks", "high", text)
    assert getattr(parameter, "high", None) == 6


def test_only_the_choices_of_one_block_are_widened_if_each_block_has_a_list() -> None:
    text = TEXT.replace("choices: [8, 16, 32]", "choices: [[8, 16], [16, 32], [16, 32], [32, 64]]")
    parameter, value = space_after("filters_2", "high", text)
    assert value == 64
    assert getattr(parameter, "choices", None) == (16, 32, 64)


def test_the_next_study_has_the_next_free_number() -> None:
    assert next_name("vgg", []) == "vgg-2"
    assert next_name("vgg-2", ["vgg", "vgg-2", "vgg-3"]) == "vgg-4"
    assert next_name("x" * 64, []) == "x" * 62 + "-2"
