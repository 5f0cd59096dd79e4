"""Writing a space as YAML, complete and in one canonical form, so that a study can store and compare it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from ruamel.yaml import YAML

from sweep.space.config import SearchConfig, flatten
from sweep.space.model_sections import HYPERPARAMETERS
from sweep.space.parameters import Choice, IntRange, Parameter, Path, put_value, value_at
from sweep.space.space import Space


def space_to_mapping(space: Space) -> dict[str, Any]:
    """Return the space as plain values; reading them results in an equal space."""
    mapping: dict[str, Any] = {"study": space.study}
    for section, fixed in space.template.items():
        if fixed:  # an empty section `augmentation` would switch augmentation on
            mapping[section] = _copy(fixed)
    for parameter in space.parameters:
        if parameter.path:
            _place(mapping, parameter, space)
    search = TypeAdapter(SearchConfig).dump_python(space.search, mode="json")
    mapping["search"] = {key: value for key, value in search.items() if value is not None}
    if space.start_from:
        mapping["start_from"] = [dict(point.values) for point in space.start_from]
    return mapping


def space_to_yaml(space: Space) -> str:
    """Return the space as YAML text."""
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None  # short mappings on one line
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # mypy knows only ruamel's default None
    yaml.width = 160
    # Equal lists may be one object, which would be written as an alias; the reader refuses aliases. This must be the
    # last setting, because `representer` is created from the settings above.
    yaml.representer.ignore_aliases = lambda data: True  # noqa: ARG005
    yaml.dump(space_to_mapping(space), stream)
    return stream.getvalue()


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return {"fixed": list(value)} if isinstance(value, list | tuple) else value


def _place(mapping: dict[str, Any], parameter: Parameter, space: Space) -> None:
    """Write a parameter at its path in the file; the parameters of all blocks share the entry of the first block."""
    *parents, block = parameter.path
    path = tuple(parents) if isinstance(block, int) else parameter.path
    if isinstance(block, int) and block > 0:
        _place_later(mapping, parameter, path, block)
        return
    written: dict[str, Any] = {"each": "blocks"} if isinstance(block, int) else {}
    written |= _distribution(parameter)
    switch = f"use_{parameter.name}"
    if any(condition.name == switch for condition in parameter.conditions):
        written["or"] = value_at(space.template, parameter.path)[1]
    conditions = [condition for condition in parameter.conditions if condition.name != switch]
    if conditions:
        written["when"] = {_written_name(space, condition.name): list(condition.values) for condition in conditions}
    put_value(mapping, path, written)


def _place_later(mapping: dict[str, Any], parameter: Parameter, path: Path, block: int) -> None:
    """Add a later block's choices to the entry of the first, unless all blocks so far have the same choices."""
    found, first = value_at(mapping, path)
    if not found or not isinstance(first, dict) or not isinstance(parameter, Choice):
        return
    choices = first["choices"]
    per_block = bool(choices) and isinstance(choices[0], list)
    if per_block or list(parameter.choices) != choices:
        first["choices"] = [*(choices if per_block else [choices] * block), list(parameter.choices)]


def _distribution(parameter: Parameter) -> dict[str, Any]:
    if isinstance(parameter, Choice):
        return {"choices": list(parameter.choices)}
    written: dict[str, Any] = {"low": parameter.low, "high": parameter.high}
    if parameter.step not in (None, 1) or (parameter.step == 1 and not isinstance(parameter, IntRange)):
        written["step"] = parameter.step
    if parameter.log:
        written["log"] = True
    if parameter.reverse_log:
        written["reverse_log"] = True
    return written


def _written_name(space: Space, name: str) -> str:
    """Return the dotted path of a parameter, which is unique in the file.

    A hypermodel's hyperparameter keeps its bare name, dots included: other hyperparameters' conditions use that name.
    """
    path = next(parameter.path for parameter in space.parameters if parameter.name == name)
    return str(path[-1]) if path[:-1] == HYPERPARAMETERS else ".".join(map(str, path))


@dataclass(frozen=True)
class Difference:
    """A key that differs between two spaces; `<absent>` stands for a missing key."""

    key: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.key}: {self.old} -> {self.new}"


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """Return the keys that differ between two results of `space_to_mapping`."""
    a, b = flatten(old), flatten(new)
    return [
        Difference(key, str(a.get(key, "<absent>")), str(b.get(key, "<absent>")))
        for key in dict.fromkeys([*a, *b])
        if key not in a or key not in b or a[key] != b[key] or type(a[key]) is not type(b[key])
    ]
