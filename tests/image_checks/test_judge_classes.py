from __future__ import annotations

import pytest

from sweep.data.named_sets import CIFAR10_CLASSES, CIFAR100_CLASSES, FASHION_CLASSES, TEN_DIGITS
from sweep.image_checks.judge_classes import near_classes, same_class


@pytest.mark.parametrize(
    "names",
    [
        ("cat", "Cat"),
        ("cat", "cats"),
        ("bus", "buses"),
        ("butterfly", "Butterflies"),
        ("polar_bear", "polar bear"),
        ("polarBear", "Polar-Bears"),
        ("rose", "roses"),
        ("ﬁsh", "fish"),  # a ligature
    ],
)
def test_names_that_differ_in_case_separators_or_plural_are_one_class(names: tuple[str, str]) -> None:
    assert same_class([*names, "zebra"]) == [names]
    assert near_classes(names) == []


@pytest.mark.parametrize("names", [("0", "1"), ("c", "cs"), ("class_1", "class_11"), ("1", "1s"), ("cat", "car")])
def test_other_names_are_other_classes(names: tuple[str, str]) -> None:
    assert same_class(names) == []
    assert near_classes(names) == []


@pytest.mark.parametrize("slip", ["tulips_", "tuilp", "tulp", "tullip", "tulup"])
def test_a_typing_error_is_near(slip: str) -> None:
    assert near_classes(["rose", "tulip", slip]) == ([] if slip == "tulips_" else [("tulip", slip)])


@pytest.mark.parametrize("names", [("mouse", "house"), ("class_1", "class_2"), ("bear", "bean"), ("tulip", "tilpu")])
def test_names_that_only_resemble_each_other_are_not_near(names: tuple[str, str]) -> None:
    assert near_classes(names) == []


def test_the_named_sets_have_no_class_twice() -> None:
    for classes in (CIFAR10_CLASSES, CIFAR100_CLASSES, FASHION_CLASSES, TEN_DIGITS):
        assert same_class(classes) == []
    assert near_classes(CIFAR100_CLASSES) == [("castle", "cattle")]
