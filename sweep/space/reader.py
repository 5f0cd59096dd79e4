"""Reading a search space: a YAML file and overrides become a `Space`, or all faults are reported together."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence as SequenceType
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sweep.errors import SpaceError
from sweep.space.config import AugmentationConfig, DataConfig, SearchConfig, TrainingConfig, direction_of
from sweep.space.fields import FieldSpec, check_study_name, fields_of, literals
from sweep.space.model_sections import MODEL_SECTIONS
from sweep.space.parameters import Path as KeyPath
from sweep.space.parameters import put_value
from sweep.space.pinned_files import WORDS
from sweep.space.resolve import Known, Resolver, catalog, check_lengths, values_of
from sweep.space.space import Space
from sweep.space.start_from import read_starts, start_point
from sweep.space.user_section import user_section
from sweep.space.value_reader import Draft, Fixed, read_field
from sweep.space.wording import did_you_mean, nearest, show
from sweep.space.yaml_tree import (
    Faults,
    Mapping,
    Mark,
    Node,
    Scalar,
    override,
    parse_tree,
    parse_value,
    read_tree,
    received,
)

SECTIONS = ("study", "data", "model", "training", "augmentation", "search", "start_from")


@dataclass(frozen=True)
class Override:
    """A value on the command line that replaces a value of the file.

    Attributes:
        key: dotted path of the value: `training.epochs`.
        text: the new value, in YAML.
        option: the option as typed, for error messages: `--set training.epochs=20`.
    """

    key: str
    text: str
    option: str


def read_space(path: Path, overrides: SequenceType[Override] = ()) -> Space:
    """Read a search space or a recipe.

    Args:
        path: path of the YAML file.
        overrides: new values, applied to the file in this order.

    Raises:
        SpaceError: lists all faults of the file, the overrides and the recipes in `start_from`.
    """
    faults = Faults()
    return _finish(read_tree(path, faults), path, overrides, faults)


def space_from_text(text: str, name: str, overrides: SequenceType[Override] = ()) -> Space:
    """Read a search space from YAML text; messages show `name` as the file, and paths are relative to its folder.

    Raises:
        SpaceError: see `read_space`.
    """
    faults = Faults()
    return _finish(parse_tree(text, name, faults), Path(name), overrides, faults)


def _finish(root: Mapping, path: Path, overrides: SequenceType[Override], faults: Faults) -> Space:
    if len(faults) and not root.entries:
        raise SpaceError(faults.found)
    for item in overrides:
        node = parse_value(item.text, item.option, faults)
        if node is not None:
            override(root, tuple(item.key.split(".")), node, faults)
    space = _read(root, path, faults)
    if space is None or len(faults):
        raise SpaceError(faults.found)
    return space


def _read(root: Mapping, path: Path, faults: Faults) -> Space | None:
    return _Reader(root, path, faults).space()


class _Reader:
    """Reads one file; used only once."""

    def __init__(self, root: Mapping, path: Path, faults: Faults) -> None:
        self._root = root
        self._path = path
        self._faults = faults
        self._drafts: list[Draft] = []
        self._marks: dict[KeyPath, Mark] = {}
        self._found: dict[str, str] = {}

    def space(self) -> Space | None:
        for key, entry in self._root.entries.items():
            if key not in SECTIONS:
                hint = did_you_mean(key, SECTIONS)
                self._faults.add(entry.mark, f"unknown section `{key}`; the sections are {', '.join(SECTIONS)}{hint}")
        study = self._study()
        sections = self._sections()
        template = {name: self._section(cls, name) for name, cls in sections.items()}
        self._default_strength(template)
        search_values = self._section(SearchConfig, "search")
        known = catalog(sections, template, self._drafts, self._marks)
        for draft in self._drafts:
            if draft.alternative is not None:  # the value of `or:`, used when the parameter is switched off
                put_value(template, draft.path, draft.alternative[0])
        check_lengths(known, self._faults, self._root.mark)
        # Skip this without the section `model`: every condition on the model would be reported as an unknown key.
        parameters = Resolver(known, self._faults).parameters() if "model" in sections else ()
        self._check_direction(search_values)
        self._check_schedule(template["training"], search_values, known)
        starts = read_starts(self._root.entries.get("start_from"), self._path.parent, _read, self._faults)
        if len(self._faults):
            return None
        search = TypeAdapter(SearchConfig).validate_json(json.dumps(search_values))
        search = dataclasses.replace(search, direction=direction_of(search.objective))
        template["model"] |= self._found
        self._resolve_paths(template, known)
        space = Space(study, template, parameters, search)
        try:
            space.check_grid()
        except ValueError as error:
            self._faults.add(self._marks[("search", "sampler")], str(error))
        points = [start_point(space, index, *start, self._faults) for index, start in enumerate(starts)]
        return dataclasses.replace(space, start_from=tuple(point for point in points if point is not None))

    def _study(self) -> str:
        entry = self._root.entries.get("study")
        if entry is None:
            plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in self._path.stem)
            return plain.lstrip("._-")[:64] or "study"
        if not isinstance(entry.node, Scalar):
            self._faults.add(entry.node.mark, "`study` must be a single name, for example `study: vgg`")
            return "study"
        if fault := check_study_name(entry.node.value):
            self._faults.add(entry.node.mark, fault)
        return str(entry.node.value)

    def _sections(self) -> dict[str, type[Any]]:
        """Return the dataclasses of the sections, without `model` if the builder is unknown."""
        sections = {"data": DataConfig, "training": TrainingConfig, "augmentation": AugmentationConfig}
        model = self._root.entries.get("model")
        if model is None:
            mark = self._root.mark
            self._faults.add(mark, "the section `model` is missing; write at least `model: {builder: vgg}`")
        elif isinstance(model.node, Mapping):
            user = user_section(model.node, self._root, self._path.parent, self._faults)
            builder, self._found = user or (self._builder(model.node), {})
            if builder is not None:
                return {"data": DataConfig, "model": builder, **sections}
        else:
            self._faults.add(
                model.node.mark,
                f"`model` must be a mapping, not {received(model.node)}; write at least `model: {{builder: vgg}}`",
            )
        return sections

    def _builder(self, model: Mapping) -> type[Any] | None:
        """Return the configuration class of a built-in builder; None if the builder is unknown."""
        entry = model.entries.get("builder")
        known = ", ".join(MODEL_SECTIONS)
        if entry is None:
            self._faults.add(model.mark, f"`model` needs a `builder`, one of {known}: write `builder: vgg`")
            return None
        if not isinstance(entry.node, Scalar):
            self._faults.add(entry.node.mark, f"`builder` takes one value for the whole study, one of {known}")
            return None
        name = str(entry.node.value)
        if name in MODEL_SECTIONS:
            return MODEL_SECTIONS[name]
        hint = did_you_mean(name, MODEL_SECTIONS)
        self._faults.unreadable(
            entry.node.mark, f"`builder` must be one of {known}, not {show(entry.node.value)}{hint}"
        )
        # The other keys of the model are checked against the builder that was probably meant.
        return MODEL_SECTIONS.get(nearest(name, MODEL_SECTIONS) or "")

    def _section(self, cls: type[Any], name: str) -> dict[str, Any]:
        entry = self._root.entries.get(name)
        if entry is None:
            return {}
        section = self._subsection(FieldSpec(name, cls), cls, entry.node, (name,))
        return section.value if section else {}

    def _mapping(self, cls: type[Any], node: Mapping, prefix: KeyPath) -> dict[str, Any]:
        """Return the fixed values of a section; searched values become drafts."""
        fixed: dict[str, Any] = {}
        specs = fields_of(cls)
        for key, entry in node.entries.items():
            spec = specs.get(key)
            if spec is None:
                section = ".".join(str(part) for part in prefix)
                hint = did_you_mean(key, specs) or f"; valid keys: {', '.join(specs)}"
                self._faults.add(entry.mark, f"unknown key `{key}` in `{section}`{hint}")
                continue
            path = (*prefix, key)
            self._marks[path] = entry.node.mark
            if spec.nested is None:
                value = self._field(spec, entry.node, path)
            else:
                value = self._subsection(spec, spec.nested, entry.node, path)
            if value is not None:
                fixed[key] = value.value
        return fixed

    def _field(self, spec: FieldSpec, node: Node, path: KeyPath) -> Fixed | None:
        value = read_field(spec, path, node, self._faults)
        if isinstance(value, Draft):
            self._drafts.append(value)
            return None
        return value

    def _subsection(self, spec: FieldSpec, cls: type[Any], node: Node, path: KeyPath) -> Fixed | None:
        if isinstance(node, Mapping):
            return Fixed(self._mapping(cls, node, path))
        if literals(spec):  # a word is valid instead of the mapping
            return self._field(spec, node, path)
        if spec.optional and isinstance(node, Scalar) and node.value is None:
            return Fixed(None)
        mapping = "a mapping or null" if spec.optional else "a mapping"
        keys = ", ".join(fields_of(cls)) or "the names of hyperparameters"
        self._faults.add(node.mark, f"`{spec.name}` must be {mapping}, not {received(node)}; its keys are {keys}")
        return None

    def _default_strength(self, template: dict[str, Any]) -> None:
        """Set `strength` to 1 if the file has the section `augmentation`; without the section, augmentation is off."""
        searched = any(draft.path == ("augmentation", "strength") for draft in self._drafts)
        if "augmentation" in self._root.entries and not searched:
            template["augmentation"].setdefault("strength", 1.0)

    def _check_direction(self, search: dict[str, Any]) -> None:
        if ("search", "objective") in self._marks and "objective" not in search:
            return
        objective = search.get("objective", SearchConfig().objective)
        right = direction_of(objective)
        if search.get("direction") not in (None, right):
            mark = self._marks[("search", "direction")]
            self._faults.add(mark, f"`{objective}` must be {right}d; write `direction: {right}` or remove `direction`")

    def _check_schedule(self, training: dict[str, Any], search: dict[str, Any], known: dict[KeyPath, Known]) -> None:
        """Refuse options that need a constant learning rate."""
        moving = [value for value in values_of(known[("training", "schedule")]) if value != "constant"]
        if not moving:
            return
        if training.get("reduce_lr_on_plateau") is not None:
            self._faults.add(
                self._marks[("training", "reduce_lr_on_plateau")],
                f"`reduce_lr_on_plateau` cannot set the rate while `schedule` is {moving[0]}; remove one of them",
            )
        if search.get("pruner", {}).get("grace_after_drop", 0) > 0:
            self._faults.add(
                self._marks[("search", "pruner", "grace_after_drop")],
                f"`schedule: {moving[0]}` reduces the rate, so `grace_after_drop` prevents pruning; remove one of them",
            )

    def _resolve_paths(self, template: dict[str, Any], known: dict[KeyPath, Known]) -> None:
        """Make paths absolute: in the file they are relative to its folder, in overrides to the current directory."""
        name, weights = template["data"].get("name"), template["model"].get("weights")
        if isinstance(name, str) and ("/" in name or name.startswith(".") or name.endswith(".npz")):
            template["data"]["name"] = self._resolved(("data", "name"), name, known)
        if isinstance(weights, str) and weights not in WORDS:
            template["model"]["weights"] = self._resolved(("model", "weights"), weights, known)

    def _resolved(self, path: KeyPath, value: str, known: dict[KeyPath, Known]) -> str:
        mark = known[path].mark or self._root.mark
        base = self._path.parent if mark.file == str(self._path) else Path()
        try:
            return str((base / Path(value).expanduser()).resolve())
        except (OSError, RuntimeError, ValueError) as error:  # an unknown `~user`, a cycle of symlinks, a NUL byte
            wanted = "give the path of " + ("a folder or of an .npz file" if path[0] == "data" else "a weights file")
            self._faults.add(mark, f"`{path[1]}` is not a usable path ({str(error).rstrip('.')}); {wanted}")
            return value
