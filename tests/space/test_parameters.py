from __future__ import annotations

import pytest

from sweep.space.parameters import Choice, Condition, FloatRange, IntRange, needed, same, steps_between


def test_true_and_1_differ_but_1_and_1_point_0_are_the_same() -> None:
    assert not same(True, 1)
    assert not same(0, False)
    assert same(1, 1.0)
    assert same(None, None)
    assert not same(None, False)


def test_a_condition_holds_while_its_parameter_has_one_of_its_values() -> None:
    condition = Condition("optimizer", ("sgd", "nadam"))
    assert condition.holds({"optimizer": "nadam"})
    assert not condition.holds({"optimizer": "adam"})
    assert not condition.holds({})


def test_a_parameter_is_active_while_all_its_conditions_hold() -> None:
    parameter = IntRange("a", ("model", "a"), (Condition("b", (True,)), Condition("c", (1, 2))), low=1, high=2)
    assert parameter.active({"b": True, "c": 2})
    assert not parameter.active({"b": True, "c": 3})
    assert not parameter.active({"b": 1, "c": 1})


def test_a_choice_contains_its_values_only() -> None:
    choice = Choice("a", (), choices=(1, "x", None))
    assert [choice.contains(value) for value in (1, 1.0, "x", None, True, "1")] == [
        True,
        True,
        True,
        True,
        False,
        False,
    ]
    assert choice.extremes() == (1, "x", None)
    assert list(choice.grid()) == [1, "x", None]


def test_an_integer_range_contains_its_steps_only() -> None:
    steps = IntRange("a", (), low=2, high=8, step=3)
    assert [value for value in range(12) if steps.contains(value)] == [2, 5, 8]
    assert list(steps.grid()) == [2, 5, 8]
    assert steps.extremes() == (2, 8)
    assert not steps.contains(5.0)
    assert not IntRange("a", (), low=0, high=1).contains(True)
    assert not steps.contains("5")


def test_a_float_range_contains_both_ends_and_no_nan() -> None:
    plain = FloatRange("a", (), low=0.5, high=2.0)
    assert [plain.contains(value) for value in (0.5, 1, 2.0, 2.0001, 0.4999)] == [True, True, True, False, False]
    assert not plain.contains(float("nan"))
    assert not plain.contains(True)
    assert not plain.contains(None)


def test_a_float_range_in_steps_never_leaves_its_end_by_rounding() -> None:
    steps = FloatRange("a", (), low=0.0, high=0.3, step=0.1)
    assert list(steps.grid()) == [0.0, 0.1, 0.2, 0.3]
    assert all(steps.contains(value) for value in steps.grid())
    assert not steps.contains(0.15)


def test_a_range_of_one_value_has_one_extreme() -> None:
    assert IntRange("a", (), low=3, high=3).extremes() == (3,)
    assert FloatRange("a", (), low=0.5, high=0.5).extremes() == (0.5,)


def test_a_continuous_range_cannot_be_listed() -> None:
    with pytest.raises(ValueError, match="a is continuous: give it a step, or a list of choices"):
        list(FloatRange("a", (), low=0.0, high=1.0).grid())


def test_rounding_does_not_lose_a_step() -> None:
    assert steps_between(0.0, 0.3, 0.1) == 3
    assert steps_between(1.0, 1.0, 0.1) == 0
    assert steps_between(32, 100, 32) == 2


def test_a_parameter_needs_the_values_that_all_conditions_above_it_allow() -> None:
    a = Choice("a", (), choices=(1, 2, 3))
    b = Choice("b", (), (Condition("a", (2, 3)),), choices=(True, False))
    c = Choice("c", (), (Condition("b", (True,)), Condition("a", (1, 2))), choices=("x",))
    never = Choice("d", (), (Condition("b", (True,)), Condition("a", (1,))), choices=("x",))
    by_name = {parameter.name: parameter for parameter in (a, b, c, never)}
    assert needed(a, by_name) == {}
    assert needed(c, by_name) == {"a": (2,), "b": (True,)}
    assert needed(never, by_name) == {"a": (), "b": (True,)}
