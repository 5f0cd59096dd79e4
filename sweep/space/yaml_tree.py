"""YAML as a tree that knows where each value stands, for a small safe subset: no tags, no anchors, no duplicate keys.

Faults are collected, not raised, so that a user sees all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.nodes import Node as RawNode

from sweep.errors import Fault
from sweep.space.config import Value

MAX_BYTES = 1_000_000
"""A space is a page of text; more is a wrong file, and would not be read within a second."""
MAX_DEPTH = 20

_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "map", "seq")}


@dataclass(frozen=True)
class Mark:
    """A place in a file (or in a command-line override, which is then the file's name); 1-based."""

    file: str
    line: int
    column: int

    def fault(self, message: str) -> Fault:
        """A fault at this place."""
        return Fault(self.file, self.line, self.column, message)


@dataclass(frozen=True)
class Scalar:
    """A leaf."""

    mark: Mark
    value: Value


@dataclass(frozen=True)
class Sequence:
    """A list."""

    mark: Mark
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Entry:
    """A key of a mapping with its place and its value."""

    mark: Mark
    node: Node


@dataclass(frozen=True)
class Mapping:
    """Keys in the file's order. Only `override` changes it, while the tree is still being made."""

    mark: Mark
    entries: dict[str, Entry] = field(default_factory=dict)


Node: TypeAlias = Scalar | Sequence | Mapping


class Faults:
    """The faults found so far."""

    def __init__(self) -> None:
        self.found: list[Fault] = []
        self._broken: set[Mark] = set()

    def add(self, mark: Mark, message: str) -> None:
        """Note a fault, unless the value there could not be read anyway."""
        if mark not in self._broken:
            self.found.append(mark.fault(message))

    def unreadable(self, mark: Mark, message: str) -> Scalar:
        """The fault of a value that could not be read at all: what it would mean further on is not judged."""
        self.add(mark, message)
        self._broken.add(mark)
        return Scalar(mark, None)

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.found)


def read_tree(path: Path, faults: Faults) -> Mapping:
    """Read a file; what cannot be read is a fault, and the tree is then empty."""
    file = str(path)
    start = Mark(file, 1, 1)
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a directory; name the .yaml file in it")
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        faults.add(start, f"there is no such file{_near_files(path)}")
        return Mapping(start)
    except (OSError, ValueError) as error:
        faults.add(start, f"the file cannot be read: {getattr(error, 'strerror', None) or error}")
        return Mapping(start)
    if len(raw) > MAX_BYTES:
        faults.add(start, f"the file is larger than {MAX_BYTES:,} bytes: a search space is a page of text")
        return Mapping(start)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        faults.add(start, f"not a text file: byte {error.start} is not UTF-8; a search space is YAML text")
        return Mapping(start)
    return parse_tree(text, file, faults)


def _near_files(path: Path) -> str:
    try:
        near = sorted(str(other) for other in path.parent.glob("*.yaml"))
    except OSError:
        near = []
    return f"; the folder has {', '.join(near[:8])}" if near else ""


def parse_tree(text: str, file: str, faults: Faults) -> Mapping:
    """Parse a whole file, which must hold one mapping."""
    start = Mark(file, 1, 1)
    raw = _compose(text, start, faults)
    if raw is None:
        if not len(faults):
            faults.add(start, "the file is empty; a search space needs at least `model:`")
        return Mapping(start)
    node = _convert(raw, file, faults)
    if not isinstance(node, Mapping):
        faults.add(node.mark, "a search space is a mapping of sections (`data:`, `model:`, `training:`, …)")
        return Mapping(start)
    return node


def parse_value(text: str, file: str, faults: Faults) -> Node | None:
    """Parse one value, as on the right of `--set key=`."""
    raw = _compose(text, Mark(file, 1, 1), faults)
    return None if raw is None else _convert(raw, file, faults)


def _compose(text: str, start: Mark, faults: Faults) -> RawNode | None:
    try:
        node: RawNode | None = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        mark = Mark(start.file, at.line + 1, at.column + 1) if at else start
        faults.add(mark, f"not valid YAML: {error.problem or error.context}")
    except YAMLError as error:
        faults.add(start, f"not valid YAML: {str(error).splitlines()[0]}")
    except RecursionError:
        faults.add(start, f"nested more than {MAX_DEPTH} levels deep")
    else:
        return node
    return None


def _convert(raw: RawNode, file: str, faults: Faults, depth: int = 0) -> Node:
    mark = Mark(file, raw.start_mark.line + 1, raw.start_mark.column + 1)
    if depth > MAX_DEPTH:
        return faults.unreadable(mark, f"nested more than {MAX_DEPTH} levels deep")
    if raw.anchor is not None:
        return faults.unreadable(
            mark, f"anchors and aliases (&{raw.anchor}) are not part of the language; write the value out"
        )
    if str(raw.tag) not in _PLAIN_TAGS:
        return faults.unreadable(
            mark, f"the tag {_short_tag(str(raw.tag))} is not part of the language; write a plain value"
        )
    if isinstance(raw, MappingNode):
        return _convert_mapping(raw, mark, faults, depth)
    if isinstance(raw, SequenceNode):
        return Sequence(mark, tuple(_convert(item, file, faults, depth + 1) for item in raw.value))
    return _convert_scalar(raw, mark, faults)


def _convert_mapping(raw: MappingNode, mark: Mark, faults: Faults, depth: int) -> Mapping:
    mapping = Mapping(mark)
    for key, value in raw.value:
        key_mark = Mark(mark.file, key.start_mark.line + 1, key.start_mark.column + 1)
        node = _convert(value, mark.file, faults, depth + 1)
        if not isinstance(key, ScalarNode):
            faults.add(key_mark, "a key must be a word")
        elif key.value in mapping.entries:
            first = mapping.entries[key.value].mark
            faults.add(key_mark, f"the key `{key.value}` is already given in line {first.line}; keep one of them")
        else:
            mapping.entries[key.value] = Entry(key_mark, node)
    return mapping


def _convert_scalar(raw: RawNode, mark: Mark, faults: Faults) -> Scalar:
    try:
        value = YAML(typ="safe", pure=True).constructor.construct_object(raw)
    except (YAMLError, ValueError, OverflowError) as error:
        return faults.unreadable(mark, f"the value cannot be read: {str(error).splitlines()[0]}")
    return Scalar(mark, value)


def _short_tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def override(root: Mapping, path: tuple[str, ...], node: Node, faults: Faults) -> None:
    """Put `node` at `path`, as if the file had said so; mappings on the way are made."""
    here = root
    for key in path[:-1]:
        entry = here.entries.setdefault(key, Entry(node.mark, Mapping(node.mark)))
        if not isinstance(entry.node, Mapping):
            faults.add(node.mark, f"`{key}` is not a section, so nothing below it can be set")
            return
        here = entry.node
    here.entries[path[-1]] = Entry(node.mark, node)
