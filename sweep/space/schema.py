"""The JSON schema of space files, with which editors complete keys and mark errors.

`python -m sweep.space.schema` prints the schema; `search_spaces/schema.json` contains the output.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from sweep.space.config import AugmentationConfig, DataConfig, SearchConfig, TrainingConfig
from sweep.space.fields import FieldSpec, Name, fields_of, literals
from sweep.space.model_sections import MODEL_SECTIONS, HypermodelConfig, UserBuilderConfig


def space_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a search space file."""
    augmentation = _section(AugmentationConfig)
    augmentation["properties"]["strength"]["default"] = 1.0  # the default in a file that has the section
    user_builder = _section(UserBuilderConfig, required=["builder"])
    del user_builder["properties"]["arguments"]
    hypermodel = _section(HypermodelConfig, required=["hypermodel"])
    narrower = {"type": "object", "description": "Hyperparameters with narrower values than in the hypermodel."}
    hypermodel["properties"]["hyperparameters"] = narrower
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sweep search space",
        "description": "A scalar is fixed, a list is a choice, {low, high} is a range, "
        "{each: blocks} is a separate value for each block.",
        "type": "object",
        "additionalProperties": False,
        "required": ["model"],
        "properties": {
            "study": TypeAdapter(Name).json_schema(),
            "data": _section(DataConfig),
            "model": {
                "oneOf": [
                    *(_section(cls, required=["builder"]) for cls in MODEL_SECTIONS.values()),
                    {**user_builder, "additionalProperties": True},  # the function's parameters
                    hypermodel,
                ]
            },
            "training": _section(TrainingConfig),
            "augmentation": augmentation,
            "search": _section(SearchConfig),
            "start_from": {
                "type": "array",
                "items": {"anyOf": [{"type": "string"}, {"type": "object"}]},
                "description": "Recipes or points that are tried first.",
            },
        },
    }


def _section(cls: type[Any], required: list[str] | None = None) -> dict[str, Any]:
    properties = {}
    for name, spec in fields_of(cls).items():
        default = {"default": spec.default} if isinstance(spec.default, bool | int | float | str) else {}
        properties[name] = {**_field(spec), **default}
    schema: dict[str, Any] = {
        "type": "object",
        "description": (cls.__doc__ or "").strip().splitlines()[0],
        "additionalProperties": False,
        "properties": properties,
    }
    return {**schema, "required": required} if required else schema


def _field(spec: FieldSpec) -> dict[str, Any]:
    if spec.nested is not None:
        section = _section(spec.nested)
        if words := literals(spec):
            return {"anyOf": [{"enum": list(words)}, section]}
        return {"anyOf": [section, {"type": "null"}]} if spec.optional else section
    value = TypeAdapter(spec.annotation, config=ConfigDict(strict=True)).json_schema()
    if not spec.searched:
        return value
    when = {"type": "object", "description": "Active only while these keys have these values."}
    each = {"each": {"const": "blocks"}} if spec.many else {}
    common = {**each, "when": when}
    values = {"type": "array", "items": value, "minItems": 1}
    if spec.many:
        per_block = {"type": "array", "items": values, "minItems": 1}
        forms = [
            _object({"fixed": {"type": "array", "items": value}}, ["fixed"]),
            _object({**each, "choices": per_block, "when": when}, ["choices", "each"]),
        ]
    else:
        forms = [value, values, _object({"fixed": value}, ["fixed"])]
    forms.append(_object({"choices": values, **common}, ["choices", *each]))
    if spec.kind is not None:
        number = {"type": "integer" if spec.kind is int else "number"}
        ends = {"low": number, "high": number, "step": number}
        ends |= {"log": {"type": "boolean"}, "reverse_log": {"type": "boolean"}}
        alternative = {} if spec.many else {"or": value}
        forms.append(_object({**ends, **alternative, **common}, ["low", "high", *each]))
    return {"anyOf": forms}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": required}


def schema_text() -> str:
    """Return the text of `search_spaces/schema.json`."""
    return json.dumps(space_schema(), indent=1) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
