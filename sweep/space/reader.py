"""Reading a search space: YAML file and overrides in, `Space` out, or all faults at once."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence as SequenceType
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sweep.errors import SpaceError
from sweep.space.config import (
    AugmentationConfig,
    DataConfig,
    SearchConfig,
    TrainingConfig,
    config_to_mapping,
    direction_of,
    flatten,
)
from sweep.space.fields import FieldSpec, check_study_name, fields_of, literals
from sweep.space.model_sections import MODEL_SECTIONS, section_of
from sweep.space.parameters import Path as KeyPath
from sweep.space.parameters import value_at
from sweep.space.resolve import Known, Resolver, catalog, check_lengths, values_of
from sweep.space.space import Space, StartPoint
from sweep.space.user_section import user_section
from sweep.space.value_reader import Draft, Fixed, read_field
from sweep.space.wording import did_you_mean, nearest, show
from sweep.space.yaml_tree import (
    Entry,
    Faults,
    Mapping,
    Mark,
    Node,
    Scalar,
    Sequence,
    near_files,
    override,
    parse_tree,
    parse_value,
    read_tree,
)

SECTIONS = ("study", "data", "model", "training", "augmentation", "search", "start_from")


@dataclass(frozen=True)
class Override:
    """One value of the file said otherwise on the command line.

    Attributes:
        key: dotted: `training.epochs`.
        text: a YAML value.
        option: what the user typed, for error messages: `--set training.epochs=20`.
    """

    key: str
    text: str
    option: str


def read_space(path: Path, overrides: SequenceType[Override] = ()) -> Space:
    """Read a search space or a recipe.

    Args:
        path: of the YAML file.
        overrides: applied on top of the file, in order.

    Raises:
        SpaceError: with every fault of the file, its overrides and the recipes that it starts from.
    """
    faults = Faults()
    root = read_tree(path, faults)
    return _finish(root, path, overrides, faults)


def space_from_text(text: str, name: str, overrides: SequenceType[Override] = ()) -> Space:
    """The same for a text; `name` stands for the file in messages, and its folder for the recipes' folder.

    Raises:
        SpaceError: as `read_space`.
    """
    faults = Faults()
    return _finish(parse_tree(text, name, faults), Path(name), overrides, faults)


def _finish(root: Mapping, path: Path, overrides: SequenceType[Override], faults: Faults) -> Space:
    if len(faults) and not root.entries:
        raise SpaceError(faults.found)
    for item in overrides:
        _apply(root, item, faults)
    space = _Reader(root, path, faults).space()
    if space is None or len(faults):
        raise SpaceError(faults.found)
    return space


def _apply(root: Mapping, item: Override, faults: Faults) -> None:
    before = len(faults)
    node = parse_value(item.text, item.option, faults)
    if node is None and len(faults) > before:
        return
    if node is None:
        node = Scalar(Mark(item.option, 1, 1), None)
    override(root, tuple(item.key.split(".")), node, faults)


class _Reader:
    """One reading of one file."""

    def __init__(self, root: Mapping, path: Path, faults: Faults) -> None:
        self._root = root
        self._path = path
        self._faults = faults
        self._drafts: list[Draft] = []
        self._marks: dict[KeyPath, Mark] = {}
        self._found: dict[str, Any] = {}

    def space(self) -> Space | None:
        for key, entry in self._root.entries.items():
            if key not in SECTIONS:
                hint = did_you_mean(key, SECTIONS)
                self._faults.add(entry.mark, f"unknown section `{key}`; there are {', '.join(SECTIONS)}{hint}")
        study = self._study()
        sections = self._sections()
        template = {name: self._section(cls, name) for name, cls in sections.items()}
        self._default_strength(template)
        search_values = self._section(SearchConfig, "search")
        known = catalog(sections, template, self._drafts, self._marks)
        self._alternatives(template)
        check_lengths(known, self._faults, self._root.mark)
        # Without its section, every condition on the model would be one on an unknown name.
        parameters = Resolver(known, self._faults).parameters() if "model" in sections else ()
        self._check_direction(search_values)
        self._check_schedule(template["training"], search_values, known)
        starts = self._starts()
        if len(self._faults):
            return None
        search = TypeAdapter(SearchConfig).validate_json(json.dumps(search_values))
        search = dataclasses.replace(search, direction=direction_of(search.objective))
        template["model"] |= self._found
        self._resolve_paths(template, known)
        space = Space(study, template, parameters, search)
        self._check_grid(space)
        points = [self._start_point(space, index, *start) for index, start in enumerate(starts)]
        return dataclasses.replace(space, start_from=tuple(point for point in points if point is not None))

    def _study(self) -> str:
        entry = self._root.entries.get("study")
        if entry is None:
            plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in self._path.stem)
            return plain.lstrip("._-")[:64] or "study"
        if not isinstance(entry.node, Scalar):
            self._faults.add(entry.node.mark, "`study` is one name; write `study: vgg`")
            return "study"
        if fault := check_study_name(entry.node.value):
            self._faults.add(entry.node.mark, fault)
        return str(entry.node.value)

    def _sections(self) -> dict[str, type[Any]]:
        sections = {"data": DataConfig, "training": TrainingConfig, "augmentation": AugmentationConfig}
        model = self._root.entries.get("model")
        if model is None:
            mark = self._root.mark
            self._faults.add(mark, "the section `model` is missing; write `model: {builder: vgg}` at least")
        elif isinstance(model.node, Mapping):
            own = user_section(model.node, self._root, self._path.parent, self._faults)
            self._found = own.found if own else {}
            builder = own.section if own else self._builder(model.node)
            if builder is not None:
                return {"data": DataConfig, "model": builder, **sections}
        else:
            self._faults.add(model.node.mark, "`model` is a section: a mapping that begins with `builder: vgg`")
        return sections

    def _builder(self, model: Mapping) -> type[Any] | None:
        """The section of the builder that the model names."""
        entry = model.entries.get("builder")
        known = ", ".join(MODEL_SECTIONS)
        if entry is None:
            self._faults.add(
                model.mark, f"`model` needs a `builder`, one of {known}: write `builder: {next(iter(MODEL_SECTIONS))}`"
            )
            return None
        if not isinstance(entry.node, Scalar):
            self._faults.add(entry.node.mark, f"`builder` takes one value for the whole study, one of {known}")
            return None
        name = entry.node.value
        section = section_of(name) if isinstance(name, str) else None
        if section is not None:
            return section
        near = nearest(str(name), MODEL_SECTIONS) if isinstance(name, str) else None
        hint = f"; did you mean `{near}`?" if near else ""
        self._faults.unreadable(entry.node.mark, f"`builder` must be one of {known}, not {show(name)}{hint}")
        # What was meant is clear enough to judge the other keys of the model as well.
        return section_of(near) if near else None

    def _section(self, cls: type[Any], name: str) -> dict[str, Any]:
        entry = self._root.entries.get(name)
        if entry is None:
            return {}
        if not isinstance(entry.node, Mapping):
            self._faults.add(entry.node.mark, f"`{name}` is a section: a mapping of {', '.join(fields_of(cls))}")
            return {}
        return self._mapping(cls, entry.node, (name,))

    def _mapping(self, cls: type[Any], node: Mapping, prefix: KeyPath) -> dict[str, Any]:
        """The fixed values of a section; the searched ones become drafts."""
        fixed: dict[str, Any] = {}
        specs = fields_of(cls)
        for key, entry in node.entries.items():
            spec = specs.get(key)
            if spec is None:
                where = ".".join(str(part) for part in prefix)
                hint = did_you_mean(key, specs) or f"; it has {', '.join(specs)}"
                self._faults.add(entry.mark, f"unknown key `{key}` in `{where}`{hint}")
                continue
            path = (*prefix, key)
            self._marks[path] = entry.node.mark
            if spec.nested is not None:
                self._subsection(spec, spec.nested, entry, path, fixed)
                continue
            value = read_field(spec, path, entry.node, self._faults)
            if isinstance(value, Draft):
                self._drafts.append(value)
            elif value is not None:
                fixed[key] = value.value
        return fixed

    def _subsection(self, spec: FieldSpec, cls: type[Any], entry: Entry, path: KeyPath, fixed: dict[str, Any]) -> None:
        key, optional = spec.name, spec.optional
        if isinstance(entry.node, Mapping):
            fixed[key] = self._mapping(cls, entry.node, path)
        elif literals(spec):  # a word does as well as the mapping
            value = read_field(spec, path, entry.node, self._faults)
            if isinstance(value, Fixed):
                fixed[key] = value.value
        elif optional and isinstance(entry.node, Scalar) and entry.node.value is None:
            fixed[key] = None
        else:
            null = ", or null" if optional else ""
            self._faults.add(entry.node.mark, f"`{key}` is a mapping of {', '.join(fields_of(cls))}{null}")

    def _default_strength(self, template: dict[str, Any]) -> None:
        """A file that describes an augmentation means it; a file without the section means none."""
        searched = any(draft.path == ("augmentation", "strength") for draft in self._drafts)
        if "augmentation" in self._root.entries and not searched:
            template["augmentation"].setdefault("strength", 1.0)

    def _alternatives(self, template: dict[str, Any]) -> None:
        """The value of `or:` is what the configuration has while the parameter is off."""
        for draft in self._drafts:
            if draft.alternative is not None:
                here = template
                for key in draft.path[:-1]:
                    here = here.setdefault(str(key), {})
                here[str(draft.path[-1])] = draft.alternative[0]

    def _check_direction(self, search: dict[str, Any]) -> None:
        if ("search", "objective") in self._marks and "objective" not in search:
            return
        objective = search.get("objective", SearchConfig().objective)
        right = direction_of(objective)
        if search.get("direction") not in (None, right):
            mark = self._marks[("search", "direction")]
            self._faults.add(mark, f"`{objective}` is to be {right}d; write `direction: {right}` or remove it")

    def _check_schedule(self, training: dict[str, Any], search: dict[str, Any], known: dict[KeyPath, Known]) -> None:
        """A rate that a schedule computes cannot be reduced, and its fall is nothing that a pruner should wait for."""
        schedule = known[("training", "schedule")]
        moving = [value for value in values_of(schedule) if value != "constant"]
        if not moving:
            return
        if training.get("reduce_lr_on_plateau") is not None:
            self._faults.add(
                self._marks[("training", "reduce_lr_on_plateau")],
                f"`reduce_lr_on_plateau` cannot set the rate where `schedule` is {moving[0]}; remove one of them",
            )
        if search.get("pruner", {}).get("grace_after_drop", 0) > 0:
            self._faults.add(
                self._marks[("search", "pruner", "grace_after_drop")],
                f"with `schedule: {moving[0]}` the rate falls all the time and nothing would ever be pruned; "
                "remove `grace_after_drop`",
            )

    def _resolve_paths(self, template: dict[str, Any], known: dict[KeyPath, Known]) -> None:
        """A path in the file is relative to the file; one on the command line to the current directory."""
        for section, key, is_path in (("data", "name", _is_data_path), ("model", "weights", _is_weights_path)):
            value = template[section].get(key)
            if isinstance(value, str) and is_path(value):
                template[section] = {**template[section], key: self._resolved((section, key), value, known)}

    def _resolved(self, path: KeyPath, value: str, known: dict[KeyPath, Known]) -> str:
        mark = known[path].mark or self._root.mark
        base = self._path.parent if mark.file == str(self._path) else Path()
        try:
            return str((base / Path(value).expanduser()).resolve())
        except (OSError, RuntimeError, ValueError) as error:  # no such user, a circle of links, a NUL
            wanted = "a folder or an .npz file" if path[0] == "data" else "a weights file"
            self._faults.add(mark, f"`{path[1]}` is no usable path ({str(error).rstrip('.')}); write {wanted}")
            return value

    def _check_grid(self, space: Space) -> None:
        if space.search.sampler != "grid":
            return
        mark = self._marks[("search", "sampler")]
        try:
            for parameter in space.parameters:
                next(parameter.grid())
        except ValueError as error:
            self._faults.add(mark, f"`sampler: grid` cannot list this space: {error}")

    def _starts(self) -> list[tuple[Node, Space | dict[str, Any]]]:
        """The recipes and points of `start_from`, read but not yet held against the space."""
        entry = self._root.entries.get("start_from")
        if entry is None:
            return []
        if not isinstance(entry.node, Sequence):
            self._faults.add(entry.node.mark, "`start_from` is a list of recipe files: [recipes/vgg1.yaml]")
            return []
        starts = [(item, self._start(item)) for item in entry.node.items]
        return [(item, start) for item, start in starts if start is not None]

    def _start(self, item: Node) -> Space | dict[str, Any] | None:
        if isinstance(item, Mapping) and all(isinstance(entry.node, Scalar) for entry in item.entries.values()):
            return {key: entry.node.value for key, entry in item.entries.items() if isinstance(entry.node, Scalar)}
        if isinstance(item, Scalar) and isinstance(item.value, str):
            return self._recipe(self._path.parent / item.value, item.mark)
        self._faults.add(item.mark, "a start is a recipe file, or a mapping of parameter names to single values")
        return None

    def _start_point(self, space: Space, index: int, item: Node, start: Space | dict[str, Any]) -> StartPoint | None:
        if isinstance(start, Space):
            config = start.config({})
            name = str(item.value) if isinstance(item, Scalar) else ""
            values = space.values_of(config)
            notes = _notes(space, values, config_to_mapping(config))
        else:
            name, values, notes = f"start_from[{index}]", start, ()
        wrong = space.faults(values)
        if wrong:
            self._faults.add(
                item.mark, f"{name} is outside this space: {'; '.join(wrong)}; widen the space or remove this start"
            )
            return None
        return StartPoint(name, values, notes)

    def _recipe(self, path: Path, mark: Mark) -> Space | None:
        if not _is_file(path):
            self._faults.add(mark, f"there is no recipe file {show(str(path), 250)}{near_files(path)}")
            return None
        faults = Faults()
        tree = read_tree(path, faults)
        if "start_from" in tree.entries:
            faults.add(tree.entries["start_from"].mark, "a recipe that others start from has no `start_from` itself")
        recipe = None if len(faults) else _Reader(tree, path, faults).space()
        self._faults.found.extend(faults)
        if recipe is not None and not recipe.is_recipe:
            names = ", ".join(parameter.name for parameter in recipe.parameters[:5])
            self._faults.add(mark, f"{path} still searches {names}; only a recipe (nothing left to search) is a start")
            return None
        return recipe


def _notes(space: Space, values: dict[str, Any], theirs: dict[str, Any]) -> tuple[str, ...]:
    """Where the space's fixed values differ from the recipe's."""
    if not space.contains(values):
        return ()
    ours = config_to_mapping(space.config(values))
    notes = []
    for key, value in flatten({name: ours[name] for name in ("model", "training", "augmentation")}).items():
        *section, last = key.split(".")
        found, other = value_at(theirs, (*section, last))
        if not found:
            key, value = ".".join(section), "set"
        if value != other and key != "model.max_parameters":
            notes.append(f"{key} {show(value) if found else value} (recipe: {show(other)})")
    return tuple(dict.fromkeys(notes))


def _is_data_path(name: str) -> bool:
    return "/" in name or name.startswith(".") or name.endswith(".npz")


def _is_weights_path(name: str) -> bool:
    return name not in ("imagenet", "none")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False
