from __future__ import annotations

import ast
from pathlib import Path
from typing import Literal

import pytest

from sweep.errors import SpaceError
from sweep.space.config import config_from_mapping, config_to_mapping
from sweep.space.corners import largest
from sweep.space.model_sections import UserBuilderConfig
from sweep.space.parameters import FloatRange, IntRange
from sweep.space.pinned_files import changed_source
from sweep.space.reader import Override, read_space, space_from_text
from sweep.space.signatures import NO_DEFAULT, UNKNOWN, Argument, read_signature
from sweep.space.writer import space_to_yaml

SOURCE = """
raise RuntimeError("reading a space must not run this")

def build(input_shape, classes, width: int, rate: float = 0.5, act: Literal["relu", "tanh"] = "relu"):
    pass

def clashing(output: str):
    pass

def positional(width, /):
    pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a user's module that cannot be imported."""
    (tmp_path / "mine.py").write_text(SOURCE)
    return tmp_path


def faults(folder: Path, text: str) -> list[str]:
    path = folder / "s.yaml"
    path.write_text(text)
    with pytest.raises(SpaceError) as caught:
        read_space(path)
    return [str(fault).removeprefix(f"{path}:").replace(str(folder), "HERE") for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("width: 8, rat: 0.1", ["1:40: unknown key `rat` in `model`; did you mean `rate`?"]),
        ("rate: 0.1", ["1:18: `build` needs `width`: add a value to the section `model`"]),
        ("width: 8.5", ["1:37: `width` must be an integer, not 8.5"]),
        ("width: [4, x]", ['1:41: `width` must be an integer, not "x"']),
        ("width: {low: 9, high: 4}", ["1:43: `width`: low 9 is more than high 4; swap them"]),
        ("width: 8, act: rel", ['1:45: `act` must be one of relu, tanh, not "rel"; did you mean `relu`?']),
    ],
)
def test_the_values_of_a_file_are_checked_against_the_signature(folder: Path, model: str, expected: list[str]) -> None:
    assert faults(folder, f"model: {{builder: mine:build, {model}}}\n") == expected


def test_a_switch_and_a_parameter_of_the_same_name_are_refused(folder: Path) -> None:
    (folder / "switch.py").write_text("def build(use_width: bool, width: int): pass\n")
    text = "model: {builder: switch:build, use_width: [true, false], width: {low: 1, high: 3, or: 0}}\n"
    assert faults(folder, text) == [
        "1:65: two parameters would have the name `use_width`; give one of them a fixed value"
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mine:bild", "1:18: HERE/mine.py defines no `bild`; did you mean `build`?"),
        ("nowhere:build", "1:18: there is no module nowhere: neither nowhere.py in HERE, nor an installed one"),
        (
            "mine:clashing",
            "1:18: the parameter `output` of `clashing` has the name of a key of this section; rename it (sweep uses "
            "builder, pixel_scaling, output, max_parameters, folder, source_digest, and passes input_shape, "
            "classes, num_classes, seed, inputs itself)",
        ),
        (
            "mine:positional",
            "1:18: HERE/mine.py: `positional` has positional-only parameters; sweep calls it with keywords: remove "
            "the `/`",
        ),
        ("mine:a.b", '1:18: "mine:a.b" is not a `module:name`; write it like `my_models:build`'),
    ],
)
def test_a_builder_that_cannot_be_used_is_a_fault_at_its_name(folder: Path, name: str, expected: str) -> None:
    assert faults(folder, "model: {builder: mine:build}\n".replace("mine:build", name))[0] == expected


def test_a_wrong_reference_of_a_hypermodel_is_one_fault(folder: Path) -> None:
    assert faults(folder, "model: {hypermodel: mine}\n") == [
        '1:21: "mine" is not a `module:name`; write it like `my_models:build`'
    ]


def test_the_ends_of_a_range_are_numbers_even_if_the_parameter_also_takes_words(folder: Path) -> None:
    (folder / "words.py").write_text("def build(width: int | str): pass\n")
    assert faults(folder, "model: {builder: words:build, width: {low: a, high: 5}}\n") == [
        '1:44: an end of the range of `width` must be a number, not "a"'
    ]


def test_the_numbers_of_a_range_decide_whether_it_has_integers(folder: Path) -> None:
    (folder / "both.py").write_text("def build(a: int | float, b: int | float): pass\n")
    (folder / "s.yaml").write_text("model: {builder: both:build, a: {low: 0.1, high: 0.9}, b: {low: 1, high: 9}}\n")
    assert read_space(folder / "s.yaml").parameters == (
        FloatRange("a", ("model", "a"), low=0.1, high=0.9),
        IntRange("b", ("model", "b"), low=1, high=9),
    )


def test_a_syntax_error_of_the_module_is_shown_with_its_line(folder: Path) -> None:
    (folder / "mine.py").write_text("def build(:\n")

    assert faults(folder, "model: {builder: mine:build}\n")[0].startswith("1:18: HERE/mine.py:1:")


TEXT = "model: {builder: 'mine:build', width: [4, 8], rate: {low: 0, high: 1, when: {width: 8}}}\n"


def test_the_section_becomes_arguments_with_the_folder_and_digest_of_the_source(folder: Path) -> None:
    (folder / "s.yaml").write_text(TEXT)
    space = read_space(folder / "s.yaml", [Override("model.act", "tanh", "--set model.act=tanh")])
    config = space.config({"width": 8, "rate": 0.25})

    assert isinstance(config.model, UserBuilderConfig)
    assert config.model.arguments == {"act": "tanh", "width": 8, "rate": 0.25}
    assert config.model.folder == str(folder)
    assert len(config.model.source_digest or "") == 64
    assert config_from_mapping(config_to_mapping(config)) == config
    assert config_to_mapping(config)["model"]["width"] == 8


def test_a_written_space_does_not_need_the_source(folder: Path) -> None:
    (folder / "s.yaml").write_text(TEXT)
    space = read_space(folder / "s.yaml")
    (folder / "mine.py").unlink()

    again = space_from_text(space_to_yaml(space), "/elsewhere/space.yaml")

    assert again == space
    assert again.values_of(again.config(largest(again))) == {"width": 8, "rate": 1.0}


def test_a_changed_source_is_found_by_its_digest(folder: Path) -> None:
    (folder / "s.yaml").write_text(TEXT)
    section = read_space(folder / "s.yaml").config({"width": 4}).model
    assert isinstance(section, UserBuilderConfig)
    assert changed_source(section) == ""

    with (folder / "mine.py").open("a") as stream:
        stream.write("# another\n")

    assert changed_source(section).startswith(f"{folder}/mine.py has changed: ")


def test_a_signature_is_read_without_running_anything() -> None:
    tree = ast.parse(
        "def f(seed, inputs, a, b: int, c: 'float' = 1.5, d: bool | None = None, *, e: Optional[str] = 'x',\n"
        "      g: typing.Literal[1, 2] = 1, h: Callable = print, **rest): pass\n"
    )

    assert read_signature(tree, "f") == [
        Argument("a", None, NO_DEFAULT),
        Argument("b", int, NO_DEFAULT),
        Argument("c", float, 1.5),
        Argument("d", bool | None, None),
        Argument("e", str | None, "x"),
        Argument("g", Literal[1, 2], 1),
        Argument("h", None, UNKNOWN),
    ]


def test_a_hypermodel_of_an_installed_package_is_found_without_importing_it() -> None:
    space = space_from_text("model: {hypermodel: 'keras_tuner.applications:HyperResNet'}\n", "s.yaml")

    assert space.template["model"]["hypermodel"] == "keras_tuner.applications:HyperResNet"
    assert "folder" not in space.template["model"]
