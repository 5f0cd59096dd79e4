from __future__ import annotations

from pathlib import Path

import pytest

from sweep.errors import SpaceError
from sweep.space.reader import read_space
from sweep.space.space import Space

FOLDER = Path(__file__).parents[2] / "search_spaces"
SPACES = sorted(FOLDER.glob("*.yaml"))
RECIPES = sorted(FOLDER.glob("recipes/*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=[path.stem for path in RECIPES])
def test_every_shipped_recipe_leaves_nothing_to_search(path: Path) -> None:
    recipe = read_space(path)
    assert recipe.is_recipe
    assert recipe.study == path.stem
    assert recipe.config({}).data.name == "cifar10"


@pytest.mark.parametrize("path", SPACES, ids=[path.stem for path in SPACES])
def test_every_shipped_space_reads_and_contains_the_points_it_starts_from(path: Path) -> None:
    space = read_space(path)
    assert space.study == path.stem
    assert not space.is_recipe
    for point in space.start_from:
        assert space.faults(point.values) == []


def test_the_vgg_space_starts_from_two_recipes_and_notes_differing_fixed_values() -> None:
    first, second = read_space(FOLDER / "vgg.yaml").start_from
    assert first.name == "recipes/vgg3-dropout.yaml"
    assert first.values == {
        "blocks": 3,
        "filters_1": 32,
        "filters_2": 64,
        "filters_3": 128,
        "convolutions_per_block": 2,
        "batch_norm": False,
        "dropout_schedule": "constant",
        "dropout_start": 0.2,
        "use_l2": False,
        "dense_units": 128,
        "pixel_scaling": "unit",
        "batch_size": 64,
        "optimizer": "sgd",
        "momentum": 0.9,
        "learning_rate": 0.001,
        "label_smoothing": 0.0,
        "augmentation_strength": 0.0,
    }
    assert "training.epochs 50 (recipe: 100)" in first.notes
    assert "training.reduce_lr_on_plateau set (recipe: null)" in first.notes
    assert second.name == "recipes/vgg3-dropout-augmentation.yaml"
    assert second.values["augmentation_strength"] == 1.0


SPACE = """\
model: {builder: vgg, blocks: {low: 1, high: 2}, filters: {each: blocks, choices: [16, 32]}}
training: {epochs: 5}
start_from:
  - recipe.yaml
"""


def read(tmp_path: Path, recipe: str, space: str = SPACE) -> Space:
    (tmp_path / "recipe.yaml").write_text(recipe)
    (tmp_path / "space.yaml").write_text(space)
    return read_space(tmp_path / "space.yaml")


def faults(tmp_path: Path, recipe: str, space: str = SPACE) -> list[str]:
    with pytest.raises(SpaceError) as caught:
        read(tmp_path, recipe, space)
    return [str(fault).removeprefix(f"{tmp_path}/") for fault in caught.value.faults]


def test_a_recipe_becomes_a_point_of_the_space(tmp_path: Path) -> None:
    (point,) = read(tmp_path, "model: {builder: vgg, blocks: 1, filters: {fixed: [32]}}").start_from
    assert (point.name, point.values) == ("recipe.yaml", {"blocks": 1, "filters_1": 32})
    assert point.notes == ("training.epochs 5 (recipe: 20)",)


def test_a_recipe_outside_the_space_is_a_fault_at_its_line(tmp_path: Path) -> None:
    assert faults(tmp_path, "model: {builder: vgg, blocks: 3, filters: {fixed: [8, 16, 32]}}") == [
        "space.yaml:4:5: recipe.yaml is outside this space: blocks 3 is not in 1 to 2; filters_1 8 is not in [16, 32]; "
        "widen the space or remove this item"
    ]


def test_a_recipe_that_still_searches_is_a_fault(tmp_path: Path) -> None:
    assert faults(tmp_path, "model: {builder: vgg, blocks: 1, batch_norm: [true, false]}") == [
        f"space.yaml:4:5: {tmp_path}/recipe.yaml still searches batch_norm; "
        "`start_from` takes recipes, which have fixed values only"
    ]


def test_the_faults_of_a_recipe_are_shown_in_the_recipe(tmp_path: Path) -> None:
    assert faults(tmp_path, "model:\n  builder: vgg\n  block: 1\n", SPACE.replace("high: 2", "high: 0")) == [
        "recipe.yaml:3:3: unknown key `block` in `model`; did you mean `blocks`?",
        "space.yaml:1:46: `blocks` must be an integer, at least 1, at most 8, not 0",
    ]


def test_a_recipe_cannot_have_a_start_from(tmp_path: Path) -> None:
    assert faults(tmp_path, "model: {builder: vgg}\nstart_from: [recipe.yaml]\n") == [
        "recipe.yaml:2:1: a recipe in `start_from` cannot have a `start_from`; remove it"
    ]


def test_the_fault_of_a_missing_recipe_names_the_existing_ones(tmp_path: Path) -> None:
    assert faults(tmp_path, "model: {builder: vgg}", SPACE.replace("recipe.yaml", "recip.yaml")) == [
        f'space.yaml:4:5: there is no recipe file "{tmp_path}/recip.yaml"; '
        f"the folder has {tmp_path}/recipe.yaml, {tmp_path}/space.yaml"
    ]


def test_a_point_can_be_written_in_the_space_file(tmp_path: Path) -> None:
    text = SPACE.replace("recipe.yaml", "{blocks: 2, filters_1: 16, filters_2: 32}")
    (point,) = read(tmp_path, "", text).start_from
    assert (point.name, point.values) == ("start_from[0]", {"blocks": 2, "filters_1": 16, "filters_2": 32})
