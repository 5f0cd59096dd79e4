from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sweep.errors import SpaceError
from sweep.space.config import PlateauConfig, SearchConfig
from sweep.space.fields import check_study_name
from sweep.space.parameters import Choice, Condition, FloatRange, IntRange
from sweep.space.reader import Override, read_space, space_from_text
from sweep.space.space import Space
from sweep.space.writer import space_to_mapping
from tests.space.narrow import vgg


def read(text: str, *overrides: tuple[str, str]) -> Space:
    options = [Override(key, value, f"--set {key}={value}") for key, value in overrides]
    return space_from_text(text, "folder/my-space.yaml", options)


def parameters(text: str) -> dict[str, Choice | IntRange | FloatRange]:
    return {parameter.name: parameter for parameter in read(text).parameters}


def faults(text: str, *overrides: tuple[str, str]) -> list[str]:
    with pytest.raises(SpaceError) as caught:
        read(text, *overrides)
    return [str(fault) for fault in caught.value.faults]


def test_a_scalar_is_fixed() -> None:
    space = read("model: {builder: vgg, blocks: 2, l2: 1e-4, batch_norm: true, dense_batch_norm: null}")
    assert space.is_recipe
    model = vgg(space.config({}))
    assert (model.blocks, model.l2, model.batch_norm, model.dense_batch_norm) == (2, 0.0001, True, None)


def test_a_list_is_a_choice_in_its_order() -> None:
    assert parameters("model: {builder: vgg, activation: [selu, relu], batch_norm: {choices: [true, false]}}") == {
        "activation": Choice("activation", ("model", "activation"), choices=("selu", "relu")),
        "batch_norm": Choice("batch_norm", ("model", "batch_norm"), choices=(True, False)),
    }


def test_low_and_high_are_a_range_of_the_keys_own_type() -> None:
    assert parameters("model: {builder: vgg, dense_units: {low: 32, high: 96, step: 32}, l2: {low: 0, high: 1}}") == {
        "l2": FloatRange("l2", ("model", "l2"), low=0.0, high=1.0),
        "dense_units": IntRange("dense_units", ("model", "dense_units"), low=32, high=96, step=32),
    }


def test_a_range_can_be_logarithmic() -> None:
    found = parameters("model: {builder: vgg, dense_units: {low: 8, high: 64, log: true}}")
    assert found["dense_units"] == IntRange("dense_units", ("model", "dense_units"), low=8, high=64, log=True)


def test_or_adds_a_switch_to_the_range() -> None:
    assert parameters("model: {builder: vgg, l2: {low: 1e-6, high: 1e-2, log: true, or: 0}}") == {
        "use_l2": Choice("use_l2", (), choices=(True, False)),
        "l2": FloatRange("l2", ("model", "l2"), (Condition("use_l2", (True,)),), low=1e-6, high=1e-2, log=True),
    }


def test_each_is_one_parameter_per_block_active_while_that_block_exists() -> None:
    found = parameters("model: {builder: vgg, blocks: {low: 1, high: 3}, filters: {each: blocks, choices: [8, 16]}}")
    assert list(found) == ["blocks", "filters_1", "filters_2", "filters_3"]
    assert found["filters_1"].conditions == ()
    assert found["filters_2"].conditions == (Condition("blocks", (2, 3)),)
    assert found["filters_3"] == Choice(
        "filters_3", ("model", "filters", 2), (Condition("blocks", (3,)),), choices=(8, 16)
    )


def test_each_follows_a_choice_of_blocks_and_a_fixed_number() -> None:
    chosen = parameters("model: {builder: vgg, blocks: [4, 2], filters: {each: blocks, choices: [8]}}")
    assert chosen["filters_2"].conditions == ()
    assert chosen["filters_3"].conditions == (Condition("blocks", (4,)),)
    fixed = parameters("model: {builder: vgg, blocks: 2, filters: {each: blocks, low: 1, high: 9}}")
    assert list(fixed) == ["filters_1", "filters_2"]


def test_when_is_a_condition_on_a_sibling() -> None:
    found = parameters(
        "model:\n  builder: vgg\n  dropout:\n    schedule: [none, constant]\n"
        "    start: {low: 0.1, high: 0.2, when: {schedule: constant}}"
    )
    assert found["dropout_start"].conditions == (Condition("dropout_schedule", ("constant",)),)


def test_when_can_name_a_key_of_another_section_by_name_or_path() -> None:
    text = (
        "model: {builder: vgg, batch_norm: [true, false]}\n"
        "training: {batch_size: {choices: [8, 16], when: {%s: true}}}\n"
    )
    for name in ("batch_norm", "model.batch_norm"):
        assert parameters(text % name)["batch_size"].conditions == (Condition("batch_norm", (True,)),)


def test_a_condition_on_a_fixed_value_is_decided_when_the_file_is_read() -> None:
    text = "model: {builder: vgg}\ntraining: {optimizer: %s, momentum: {low: 0.8, high: 0.9, when: {optimizer: sgd}}}"
    assert parameters(text % "sgd")["momentum"].conditions == ()
    assert "momentum" not in parameters(text % "adam")


def test_a_parameter_does_not_exist_if_its_condition_names_one_that_does_not() -> None:
    assert parameters(
        "model: {builder: vgg}\n"
        "training:\n"
        "  optimizer: adam\n"
        "  momentum: {choices: [0.8, 0.9], when: {optimizer: sgd}}\n"
        "  batch_size: {choices: [8, 16], when: {momentum: 0.9}}\n"
    ) == {}  # fmt: skip


def test_blocks_that_no_trial_has_are_not_parameters() -> None:
    found = parameters(
        "model:\n  builder: vgg\n  blocks: [1, 2]\n  filters: {fixed: [8, 8]}\n"
        "  dropout:\n    schedule: {choices: [none, listed], when: {blocks: 1}}\n"
        "    rates: {each: blocks, low: 0.1, high: 0.2, when: {schedule: listed}}\n"
    )
    assert list(found) == ["blocks", "dropout_schedule", "dropout_rates_1"]


def test_the_order_of_conditions_in_the_file_does_not_matter() -> None:
    text = (
        "model: {builder: vgg, batch_norm: [true, false], blocks: [1, 2]}\n"
        "training: {batch_size: {choices: [8, 16], when: {%s}}}"
    )
    assert read(text % "batch_norm: true, blocks: 2") == read(text % "blocks: 2, batch_norm: true")


def test_fixed_is_a_fixed_list() -> None:
    assert vgg(read("model: {builder: vgg, filters: {fixed: [8, 16, 32, 64]}}").config({})).filters == (8, 16, 32, 64)


def test_an_integer_for_a_number_is_the_number() -> None:
    assert read("model: {builder: vgg, l2: 1}") == read("model: {builder: vgg, l2: 1.0}")


def test_optional_subsections_exist_if_they_are_written() -> None:
    text = "model: {builder: vgg}\n"
    assert read(text).config({}).training.reduce_lr_on_plateau is None
    assert (
        read(text + "training: {reduce_lr_on_plateau: {}}").config({}).training.reduce_lr_on_plateau == PlateauConfig()
    )
    found = parameters(text + "training: {reduce_lr_on_plateau: {patience: [2, 3]}}")
    assert list(found) == ["reduce_lr_on_plateau_patience"]


def test_the_section_augmentation_switches_it_on() -> None:
    text = "model: {builder: vgg}\n"
    assert read(text).config({}).augmentation.strength == 0.0
    assert read(text + "augmentation: {flip: horizontal}").config({}).augmentation.strength == 1.0
    assert list(parameters(text + "augmentation: {strength: {low: 0, high: 1}}")) == ["augmentation_strength"]


def test_the_direction_follows_from_the_objective() -> None:
    assert read("model: {builder: vgg}").search == SearchConfig(objective="val_accuracy", direction="maximize")
    assert read("model: {builder: vgg}\nsearch: {objective: val_loss}").search.direction == "minimize"


def test_the_file_name_is_the_default_name_of_the_study() -> None:
    assert read("model: {builder: vgg}").study == "my-space"
    assert space_from_text("model: {builder: vgg}", "größe & co.yaml").study == "gr--e---co"
    assert space_from_text("model: {builder: vgg}", "…").study == "study"
    assert space_from_text("model: {builder: vgg}", "a" * 100).study == "a" * 64


@pytest.mark.parametrize("name", ["vgg", "2024-05-01", "a.b_c-D", "0", "a" * 64])
def test_a_study_can_have_a_plain_name(name: str) -> None:
    assert check_study_name(name) is None
    assert read(f"study: '{name}'\nmodel: {{builder: vgg}}").study == name


def test_a_date_is_text() -> None:
    assert read("study: 2024-05-01\nmodel: {builder: vgg}").study == "2024-05-01"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "-a", "a b", "a\n", "a\0", "ü", "a" * 65])
def test_a_study_cannot_have_a_name_that_is_a_bad_folder_name(name: str) -> None:
    rule = "a study's name has 1 to 64 letters, digits, `.`, `_` or `-`, and starts with a letter or digit; received "
    assert (check_study_name(name) or "").startswith(rule)


def test_a_folder_of_images_is_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("model: {builder: vgg}\ndata: {name: ./images}")
    assert read_space(path).template["data"]["name"] == str(tmp_path.resolve() / "images")


def test_a_folder_of_images_on_the_command_line_is_relative_to_the_current_folder(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("model: {builder: vgg}\ndata: {name: ./images}")
    space = read_space(path, [Override("data.name", "./mine.npz", "--set data.name=./mine.npz")])
    assert space.template["data"]["name"] == str(Path("mine.npz").resolve())


def test_an_override_replaces_a_value_a_range_or_one_end_of_it() -> None:
    text = "model: {builder: vgg, dense_units: {low: 8, high: 64}}\ntraining: {epochs: 50}"
    assert read(text, ("training.epochs", "20")).config({"dense_units": 8}).training.epochs == 20
    assert read(text, ("model.dense_units", "32")).is_recipe
    (parameter,) = read(text, ("model.dense_units.high", "16")).parameters
    assert parameter == IntRange("dense_units", ("model", "dense_units"), low=8, high=16)


def test_an_override_creates_missing_sections() -> None:
    space = read("model: {builder: vgg}", ("training.early_stopping.patience", "3"), ("search.seed", "5"))
    stopping = space.config({}).training.early_stopping
    assert stopping is not None
    assert stopping.patience == 3
    assert space.search.seed == 5


def test_the_last_of_two_overrides_wins() -> None:
    assert vgg(read("model: {builder: vgg}", ("model.blocks", "1"), ("model.blocks", "2")).config({})).blocks == 2


def test_the_fault_of_an_override_names_the_option() -> None:
    assert faults("model: {builder: vgg}", ("training.epochs", "twenty")) == [
        '--set training.epochs=twenty:1:1: `epochs` must be an integer, at least 1, not "twenty"'
    ]
    assert faults("model: {builder: vgg}", ("trainin.epochs", "20")) == [
        "--set trainin.epochs=20:1:1: unknown section `trainin`; the sections are study, data, model, training, "
        "augmentation, search, start_from; did you mean `training`?"
    ]
    assert faults(
        "model: {builder: vgg}", ("model.blocks.low.x", "20"), ("model.blocks", "1"), ("model.blocks.a", "1")
    ) == ["--set model.blocks.a=1:1:1: `blocks` is not a section, so nothing below it can be set"]


def test_an_override_that_is_not_yaml_is_one_fault() -> None:
    assert faults("model: {builder: vgg}", ("training.epochs", "[20")) == [
        "--set training.epochs=[20:1:1: not valid YAML: expected ',' or ']', but got '<stream end>'; "
        "a bracket or brace is never closed"
    ]


def test_faults_of_the_file_and_of_overrides_are_reported_together() -> None:
    assert faults("model: {builder: vgg, blocks: 0}", ("training.epochs", "0")) == [
        "--set training.epochs=0:1:1: `epochs` must be an integer, at least 1, not 0",
        "folder/my-space.yaml:1:31: `blocks` must be an integer, at least 1, at most 8, not 0",
    ]


def test_reading_a_space_imports_nothing_heavy() -> None:
    heavy = ("numpy", "keras", "tensorflow", "optuna", "mlflow", "sklearn", "PIL")
    code = f"import sys, sweep.space.reader\nprint(sorted(set(sys.modules) & set({heavy})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert done.stderr == ""


def test_a_list_of_lists_gives_each_block_its_own_choices() -> None:
    filters = "{each: blocks, choices: [[8, 16], [32]]}"
    space = read(f"model: {{builder: vgg, blocks: [1, 2], filters: {filters}}}")

    assert [p.choices for p in space.parameters if isinstance(p, Choice)] == [(1, 2), (8, 16), (32,)]
    assert space_to_mapping(space)["model"]["filters"] == {"each": "blocks", "choices": [[8, 16], [32]]}


def test_a_list_of_lists_needs_choices_for_every_possible_block() -> None:
    text = "model: {builder: vgg, blocks: {low: 1, high: 3}, filters: {each: blocks, choices: [[8], [16]]}}"

    assert faults(text) == [
        "folder/my-space.yaml:1:59: `filters` must have one list of choices per block, at least 3, not 2; "
        "add the missing lists, or give one list for all blocks"
    ]
