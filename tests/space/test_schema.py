from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from sweep.space.schema import schema_text, space_schema

FOLDER = Path(__file__).parents[2] / "search_spaces"
FILES = sorted([*FOLDER.glob("*.yaml"), *FOLDER.glob("recipes/*.yaml")])


def test_the_schema_file_is_up_to_date() -> None:
    written = (FOLDER / "schema.json").read_text(encoding="utf-8")
    assert written == schema_text(), "run: python -m sweep.space.schema > search_spaces/schema.json"


def test_the_schema_has_every_section_and_requires_only_the_model() -> None:
    schema = space_schema()
    assert list(schema["properties"]) == [
        "study", "data", "model", "training", "augmentation", "search", "start_from",
    ]  # fmt: skip
    assert schema["required"] == ["model"]
    assert schema["additionalProperties"] is False


def forms(section: str, key: str) -> list[dict[str, Any]]:
    """Return the ways in which a key can be written."""
    found = space_schema()["properties"][section]
    section_schema = found["oneOf"][0] if section == "model" else found
    forms_of: list[dict[str, Any]] = section_schema["properties"][key]["anyOf"]
    return forms_of


def test_a_number_can_be_fixed_chosen_or_ranged() -> None:
    scalar, choice, fixed, choices, ranged = forms("model", "blocks")
    assert scalar == {"type": "integer", "minimum": 1, "maximum": 8}
    assert choice == {"type": "array", "items": scalar, "minItems": 1}
    assert list(fixed["properties"]) == ["fixed"]
    assert list(choices["properties"]) == ["choices", "when"]
    assert list(ranged["properties"]) == ["low", "high", "step", "log", "reverse_log", "or", "when"]
    assert ranged["required"] == ["low", "high"]


def test_a_list_with_one_value_per_block_needs_fixed_or_each() -> None:
    fixed, per_block, choices, ranged = forms("model", "filters")
    assert per_block["properties"]["choices"]["items"]["type"] == "array"
    assert fixed["required"] == ["fixed"]
    assert choices["required"] == ["choices", "each"]
    assert ranged["required"] == ["low", "high", "each"]


def test_what_all_trials_share_takes_one_value() -> None:
    assert space_schema()["properties"]["training"]["properties"]["epochs"] == {
        "type": "integer",
        "minimum": 1,
        "default": 20,
    }


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(FOLDER)) for path in FILES])
def test_the_shipped_files_fit_the_schema(path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    plain = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(json.loads(schema_text())).validate(plain)


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(FOLDER)) for path in FILES])
def test_the_shipped_files_name_the_schema_for_editors(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    name = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / name).resolve() == FOLDER / "schema.json"
