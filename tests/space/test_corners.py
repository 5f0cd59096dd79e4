from __future__ import annotations

import random

from sweep.space.corners import branches, draw, largest, smallest
from sweep.space.reader import space_from_text

SPACE = space_from_text(
    """\
model:
  builder: vgg
  blocks: [2, 1]
  filters: {each: blocks, choices: [32, 8, 16]}
  batch_norm: [true, false]
  l2: {low: 1e-4, high: 1e-2, log: true, or: 0}
  activation: {choices: [selu, relu], when: {blocks: 2}}
""",
    "s.yaml",
)


def test_the_smallest_point_has_the_smallest_values_and_every_switch_off() -> None:
    assert smallest(SPACE) == {"blocks": 1, "filters_1": 8, "batch_norm": False, "use_l2": False}


def test_the_largest_point_has_the_largest_values_and_every_switch_on() -> None:
    assert largest(SPACE) == {
        "blocks": 2,
        "filters_1": 32,
        "filters_2": 32,
        "activation": "selu",
        "batch_norm": True,
        "use_l2": True,
        "l2": 0.01,
    }


def test_every_value_of_every_switch_and_word_has_a_small_point() -> None:
    assert [(name, dict(point)) for name, point in branches(SPACE)] == [
        (
            "activation=selu",
            {"blocks": 2, "filters_1": 8, "filters_2": 8, "activation": "selu", "batch_norm": False, "use_l2": False},
        ),
        (
            "activation=relu",
            {"blocks": 2, "filters_1": 8, "filters_2": 8, "activation": "relu", "batch_norm": False, "use_l2": False},
        ),
        ("batch_norm=true", {"blocks": 1, "filters_1": 8, "batch_norm": True, "use_l2": False}),
        ("batch_norm=false", {"blocks": 1, "filters_1": 8, "batch_norm": False, "use_l2": False}),
        ("use_l2=true", {"blocks": 1, "filters_1": 8, "batch_norm": False, "use_l2": True, "l2": 0.0001}),
        ("use_l2=false", {"blocks": 1, "filters_1": 8, "batch_norm": False, "use_l2": False}),
    ]


def test_a_branch_meets_nested_conditions() -> None:
    space = space_from_text(
        "model:\n  builder: vgg\n  blocks: [1, 2, 3]\n"
        "  batch_norm: {choices: [true, false], when: {blocks: [2, 3]}}\n"
        "  activation: {choices: [relu, selu], when: {batch_norm: true, blocks: [1, 3]}}\n",
        "s.yaml",
    )
    point = dict(branches(space))["activation=selu"]
    assert point == {"blocks": 3, "batch_norm": True, "activation": "selu"}


def test_the_same_seed_draws_the_same_points() -> None:
    one, two = random.Random(1), random.Random(1)
    assert [draw(SPACE, one) for _ in range(20)] == [draw(SPACE, two) for _ in range(20)]


def test_draws_reach_every_value_and_both_halves_of_a_logarithmic_range() -> None:
    generator = random.Random(0)
    points = [draw(SPACE, generator) for _ in range(400)]
    assert {point["blocks"] for point in points} == {1, 2}
    assert {point["filters_1"] for point in points} == {8, 16, 32}
    rates = [float(str(point["l2"])) for point in points if "l2" in point]
    assert 0.35 < sum(rate < 1e-3 for rate in rates) / len(rates) < 0.65


def test_draws_in_steps_reach_both_ends_and_nothing_between_the_steps() -> None:
    space = space_from_text(
        "model: {builder: vgg, dense_units: {low: 8, high: 24, step: 8}, l2: {low: 0, high: 0.3, step: 0.1}}", "s.yaml"
    )
    generator = random.Random(0)
    points = [draw(space, generator) for _ in range(200)]
    assert {point["dense_units"] for point in points} == {8, 16, 24}
    assert {point["l2"] for point in points} == {0.0, 0.1, 0.2, 0.3}


def test_draws_of_a_logarithmic_integer_reach_both_ends() -> None:
    space = space_from_text("model: {builder: vgg, dense_units: {low: 1, high: 4, log: true}}", "s.yaml")
    generator = random.Random(0)
    assert {draw(space, generator)["dense_units"] for _ in range(300)} == {1, 2, 3, 4}
