"""Writing a space in its own language, whole and in one canonical form: what the study keeps and compares."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from ruamel.yaml import YAML

from sweep.space.config import SearchConfig, flatten
from sweep.space.parameters import Choice, IntRange, Parameter, Path, value_at
from sweep.space.space import Space
from sweep.space.user_model_configs import HYPERPARAMETERS


def space_to_mapping(space: Space) -> dict[str, Any]:
    """The space as plain values; reading them back gives an equal space."""
    mapping: dict[str, Any] = {"study": space.study}
    for section, fixed in space.template.items():
        if fixed:  # an empty section is not the same as none: it switches augmentation on
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
    """The same as YAML text."""
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None  # short mappings on one line
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # the given order, not the alphabet's
    yaml.width = 160
    # Equal lists may be one object here, which would be written as an alias; the reader takes none. Set last, because
    # asking for the representer makes it, with the settings above.
    yaml.representer.ignore_aliases = lambda data: True  # noqa: ARG005
    yaml.dump(space_to_mapping(space), stream)
    return stream.getvalue()


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return {"fixed": list(value)} if isinstance(value, list | tuple) else value


def _place(mapping: dict[str, Any], parameter: Parameter, space: Space) -> None:
    """Put the parameter's distribution where its value would stand; what blocks have in common is said by the first."""
    *parents, last = parameter.path
    here = mapping
    each = isinstance(last, int)
    if each:
        *parents, last = parents
        if parameter.path[-1] != 0:
            _place_later(here, parameter, (*parents, last))
            return
    for key in parents:
        here = here.setdefault(str(key), {})
    written: dict[str, Any] = {"each": "blocks"} if each else {}
    written.update(_distribution(parameter))
    written.update(_switch(parameter, space))
    when = {
        space_path(space, condition.name): list(condition.values)
        for condition in parameter.conditions
        if condition.name != f"use_{parameter.name}"  # `or:` brings it by itself
    }
    if when:
        written["when"] = when
    here[str(last)] = written


def _place_later(mapping: dict[str, Any], parameter: Parameter, path: Path) -> None:
    """Choices of a block after the first: one list serves as long as all blocks have the same."""
    found, first = value_at(mapping, path)
    if not found or not isinstance(first, dict) or not isinstance(parameter, Choice):
        return
    own = list(parameter.choices)
    index = int(parameter.path[-1])
    lists = first["choices"] if first["choices"] and isinstance(first["choices"][0], list) else None
    if lists is None and own != first["choices"]:
        lists = [first["choices"]] * index
    if lists is not None:
        first["choices"] = [*lists, own]


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


def _switch(parameter: Parameter, space: Space) -> dict[str, Any]:
    """`or:` is the template's value under the parameter."""
    if f"use_{parameter.name}" not in {condition.name for condition in parameter.conditions}:
        return {}
    return {"or": value_at(space.template, parameter.path)[1]}


def space_path(space: Space, name: str) -> str:
    """The dotted path of a parameter: it means the same everywhere in the file.

    A hyperparameter's own name may hold dots, and only others of its kind can depend on it: its name alone will do.
    """
    parameter = next(parameter for parameter in space.parameters if parameter.name == name)
    own = parameter.path[:-1] == HYPERPARAMETERS
    return str(parameter.path[-1]) if own else ".".join(str(key) for key in parameter.path)


@dataclass(frozen=True)
class Difference:
    """One key that two spaces have otherwise; `<absent>` where one does not have it."""

    key: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.key}: {self.old} -> {self.new}"


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """What differs between two spaces as written by `space_to_mapping`, key by key."""
    a, b = flatten(old), flatten(new)
    keys = list(dict.fromkeys([*a, *b]))
    return [
        Difference(key, _text(a, key), _text(b, key))
        for key in keys
        if key not in a or key not in b or a[key] != b[key] or type(a[key]) is not type(b[key])
    ]


def _text(flat: Mapping[str, Any], key: str) -> str:
    return str(flat[key]) if key in flat else "<absent>"
