from __future__ import annotations

import pytest

from sweep.space.config import TrialConfig
from sweep.space.fields import Value
from sweep.space.parameters import Choice, FloatRange, IntRange
from sweep.space.reader import space_from_text
from sweep.space.space import bounds
from tests.space.narrow import vgg

TEXT = """\
model:
  builder: vgg
  blocks: {low: 1, high: 2}
  filters: {each: blocks, choices: [16, 32]}
  l2: {low: 1e-4, high: 1e-2, log: true, or: 0}
training:
  optimizer: [sgd, adam]
  momentum: {low: 0.8, high: 0.9, step: 0.1, when: {optimizer: sgd}}
"""
SPACE = space_from_text(TEXT, "s.yaml")
POINT: dict[str, Value] = {
    "blocks": 2,
    "filters_1": 16,
    "filters_2": 32,
    "use_l2": True,
    "l2": 0.001,
    "optimizer": "sgd",
    "momentum": 0.9,
}


OFF: dict[str, Value] = {"blocks": 1, "filters_1": 32, "use_l2": False, "optimizer": "adam"}


def test_a_parameter_comes_after_those_in_its_conditions() -> None:
    assert [parameter.name for parameter in SPACE.parameters] == [
        "blocks", "filters_1", "filters_2", "use_l2", "l2", "optimizer", "momentum",
    ]  # fmt: skip


def test_only_active_parameters_are_sampled() -> None:
    asked = []

    def first(parameter: Choice | IntRange | FloatRange) -> object:
        asked.append(parameter.name)
        return {"use_l2": False, "optimizer": "adam"}.get(parameter.name, parameter.extremes()[0])

    assert SPACE.suggest(first) == {"blocks": 1, "filters_1": 16, "use_l2": False, "optimizer": "adam"}  # type: ignore[arg-type]
    assert asked == ["blocks", "filters_1", "use_l2", "optimizer"]


def test_a_point_becomes_a_configuration() -> None:
    config = SPACE.config(POINT, seed=7, threads=2)
    assert isinstance(config, TrialConfig)
    assert (config.seed, config.threads, config.objective) == (7, 2, "val_accuracy")
    assert vgg(config).blocks == 2
    assert vgg(config).filters == (16, 32)
    assert vgg(config).l2 == 0.001
    assert (config.training.optimizer, config.training.momentum) == ("sgd", 0.9)


def test_a_switch_that_is_off_results_in_the_value_of_or() -> None:
    config = SPACE.config(OFF)
    assert vgg(config).l2 == 0.0
    assert SPACE.values_of(config) == OFF


def test_what_all_trials_share_is_read_from_the_smallest_point() -> None:
    assert SPACE.config(POINT).data == SPACE.data
    assert (SPACE.config(POINT).training.epochs, SPACE.epochs) == (20, 20)
    assert vgg(SPACE.smallest_config).blocks == 1
    assert not SPACE.has_user_model


def test_two_configurations_of_a_space_share_no_mutable_values() -> None:
    one, two = SPACE.config(POINT), SPACE.config({**POINT, "filters_1": 32})
    assert (vgg(one).filters, vgg(two).filters) == ((16, 32), (32, 32))


def test_the_faults_of_a_point_name_each_wrong_parameter() -> None:
    values: dict[str, Value] = {
        "blocks": 1,
        "filters_1": 17,
        "filters_2": 16,
        "use_l2": True,
        "optimizer": "sgd",
        "momentum": 0.85,
        "momentun": 0.9,
    }
    assert SPACE.faults(values) == [
        "momentun is not a parameter; did you mean `momentum`?",
        "filters_1 17 is not in [16, 32]",
        "filters_2 is not active at this point",
        "l2 is missing",
        "momentum 0.85 is not in 0.8 to 0.9 in steps of 0.1",
    ]
    assert SPACE.faults(POINT) == []


def test_values_outside_the_space_have_no_configuration() -> None:
    with pytest.raises(ValueError, match=r"not a point of the space: blocks 3 is not in 1 to 2"):
        SPACE.config({**POINT, "blocks": 3})


def test_the_values_of_another_configuration_can_be_outside_the_space() -> None:
    other = space_from_text("model: {builder: vgg, blocks: 3}\ntraining: {optimizer: nadam}", "t.yaml").config({})
    assert SPACE.values_of(other) == {
        "blocks": 3,
        "filters_1": 32,
        "use_l2": False,
        "optimizer": "nadam",
    }
    assert SPACE.faults(SPACE.values_of(other)) == [
        "blocks 3 is not in 1 to 2",
        'optimizer "nadam" is not in ["sgd", "adam"]',
    ]


def test_the_grid_has_every_point_once() -> None:
    space = space_from_text(
        "model:\n  builder: vgg\n  blocks: [1, 2]\n  filters: {each: blocks, choices: [8, 16]}\n"
        "training:\n  optimizer: [sgd, adam]\n  momentum: {low: 0.8, high: 0.9, step: 0.1, when: {optimizer: sgd}}\n",
        "s.yaml",
    )
    points = list(space.grid())
    assert len(points) == (2 + 4) * (2 + 1)
    assert len({tuple(point.items()) for point in points}) == 18
    assert not any(space.faults(point) for point in points)
    assert points[0] == {"blocks": 1, "filters_1": 8, "optimizer": "sgd", "momentum": 0.8}


def test_the_grid_of_a_recipe_is_one_empty_point() -> None:
    space = space_from_text("model: {builder: vgg}", "s.yaml")
    assert space.is_recipe
    assert list(space.grid()) == [{}]


def test_the_grid_of_a_continuous_space_is_an_error() -> None:
    with pytest.raises(ValueError, match="l2 is continuous"):
        list(SPACE.grid())


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        (Choice("a", (), choices=("sgd", None, True, 0.5)), '["sgd", null, true, 0.5]'),
        (IntRange("a", (), low=1, high=20_000_000), "1 to 20000000"),
        (IntRange("a", (), low=32, high=128, step=32), "32 to 128 in steps of 32"),
        (FloatRange("a", (), low=1e-6, high=0.5, log=True), "1e-06 to 0.5 (log)"),
        (FloatRange("a", (), low=0.0, high=3.0, step=1.0), "0 to 3 in steps of 1"),
    ],
)
def test_the_values_of_a_parameter_in_words(parameter: Choice | IntRange | FloatRange, words: str) -> None:
    assert bounds(parameter) == words
