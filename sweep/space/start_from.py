"""The section `start_from`: recipes and points that are tried first."""

from __future__ import annotations

import os.path
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from sweep.space.config import TrialConfig, config_to_mapping, flatten
from sweep.space.fields import Value
from sweep.space.parameters import value_at
from sweep.space.space import Space, StartPoint
from sweep.space.wording import show
from sweep.space.yaml_tree import Entry, Faults, Mapping, Node, Scalar, Sequence, near_files, read_tree, received

ReadSpace: TypeAlias = Callable[[Mapping, Path, Faults], Space | None]
"""A function that makes a space from the tree and the path of a file; relative paths start in the file's folder."""

Start: TypeAlias = TrialConfig | dict[str, Value]
"""A recipe, or the values of a point; neither is checked against the space yet."""


def read_starts(entry: Entry | None, folder: Path, read: ReadSpace, faults: Faults) -> list[tuple[Node, Start]]:
    """Read the items of `start_from`; recipe files are relative to `folder`."""
    if entry is None:
        return []
    if not isinstance(entry.node, Sequence):
        faults.add(entry.node.mark, "`start_from` must be a list of recipe files: [recipes/vgg1.yaml]")
        return []
    starts = [(item, _read_start(item, folder, read, faults)) for item in entry.node.items]
    return [(item, start) for item, start in starts if start is not None]


def _read_start(item: Node, folder: Path, read: ReadSpace, faults: Faults) -> Start | None:
    if isinstance(item, Mapping):
        for key, entry in item.entries.items():
            if not isinstance(entry.node, Scalar):
                faults.add(entry.node.mark, f"`{key}` must be one value here, not {received(entry.node)}")
        return {key: entry.node.value for key, entry in item.entries.items() if isinstance(entry.node, Scalar)}
    if isinstance(item, Scalar) and isinstance(item.value, str):
        return _read_recipe(folder / item.value, item, read, faults)
    faults.add(
        item.mark,
        "an item of `start_from` must be a recipe file, or a mapping of parameter names to single values, "
        f"not {received(item)}",
    )
    return None


def _read_recipe(path: Path, item: Scalar, read: ReadSpace, faults: Faults) -> TrialConfig | None:
    if not os.path.isfile(path):  # also False for a name that is too long
        faults.add(item.mark, f"there is no recipe file {show(str(path), 250)}{near_files(path)}")
        return None
    own = Faults()
    tree = read_tree(path, own)
    if "start_from" in tree.entries:
        own.add(tree.entries["start_from"].mark, "a recipe in `start_from` cannot have a `start_from`; remove it")
    recipe = None if len(own) else read(tree, path, own)
    faults.extend(own)
    if recipe is None:
        return None
    if recipe.is_recipe:
        return recipe.config({})
    names = ", ".join(parameter.name for parameter in recipe.parameters[:5])
    faults.add(item.mark, f"{path} still searches {names}; `start_from` takes recipes, which have fixed values only")
    return None


def start_point(space: Space, index: int, item: Node, start: Start, faults: Faults) -> StartPoint | None:
    """Return the start point of item `index`; if it is outside the space, add a fault and return None."""
    name = str(item.value) if isinstance(item, Scalar) else f"start_from[{index}]"
    values = start if isinstance(start, dict) else space.values_of(start)
    wrong = "; ".join(space.faults(values))
    if wrong:
        faults.add(item.mark, f"{name} is outside this space: {wrong}; widen the space or remove this item")
        return None
    return StartPoint(name, values, () if isinstance(start, dict) else _notes(space.config(values), start))


def _notes(config: TrialConfig, recipe: TrialConfig) -> tuple[str, ...]:
    """Return where the fixed values of the space differ from the recipe."""
    ours, theirs = config_to_mapping(config), config_to_mapping(recipe)
    notes = []
    for key, value in flatten({name: ours[name] for name in ("model", "training", "augmentation")}).items():
        *section, last = key.split(".")
        found, other = value_at(theirs, (*section, last))
        if not found:
            key, value = ".".join(section), "set"
        if value != other and key != "model.max_parameters":
            notes.append(f"{key} {show(value) if found else value} (recipe: {show(other)})")
    return tuple(dict.fromkeys(notes))
