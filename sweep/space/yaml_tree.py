"""Reading a small, safe subset of YAML (no tags, anchors or duplicate keys) as a tree with the place of each value.

Faults are collected, not raised, so that a user sees all of them together.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StreamMark, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.nodes import Node as RawNode
from ruamel.yaml.reader import ReaderError

from sweep.errors import Fault
from sweep.space.fields import Value
from sweep.space.wording import printable, show

MAX_BYTES = 16_000
"""Maximum size of a space file: more than a page of text, but read in a second (the parser reads 20 to 60 kB/s)."""
MAX_DEPTH = 20
MAX_KEY = 64

_ADVICE = (
    (
        "mapping values are not allowed",
        "put text with `: ` in quotes, and start all keys of a mapping in the same column",
    ),
    ("'\\t'", "indent with spaces, not with tabs"),
    ("cannot start any token", "put text that starts with this character in quotes"),
    ("found another document", "a file has one search space; remove the line `---`"),
    ("undefined alias", "anchors and aliases are not supported; write the value out"),
    ("end of stream", "a quote is never closed"),
    ("<stream end>", "a bracket or brace is never closed"),
    ("expected <block end>", "start all keys of a mapping in the same column"),
    ("could not find expected ':'", "write `key: value`"),
    ("expected ',' or", "put a comma between the values, and close the bracket or brace"),
)
"""Pairs of a part of the parser's message and the advice to show; the first part that matches counts."""


@dataclass(frozen=True)
class Mark:
    """A place in a file, counted from 1. For an override on the command line, `file` is the option."""

    file: str
    line: int
    column: int


@dataclass(frozen=True)
class Scalar:
    """A single value."""

    mark: Mark
    value: Value


@dataclass(frozen=True)
class Sequence:
    """A list."""

    mark: Mark
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Entry:
    """A key of a mapping: its place and its value."""

    mark: Mark
    node: Node


@dataclass(frozen=True)
class Mapping:
    """A mapping, with keys in the order of the file. Only `override` changes a mapping."""

    mark: Mark
    entries: dict[str, Entry] = field(default_factory=dict)


Node: TypeAlias = Scalar | Sequence | Mapping


def received(node: Node) -> str:
    """Describe a node in an error message."""
    return show(node.value) if isinstance(node, Scalar) else "a list" if isinstance(node, Sequence) else "a mapping"


class Faults:
    """The faults found so far. The length also counts the faults that are not shown."""

    def __init__(self) -> None:
        self.found: list[Fault] = []
        self._added = 0
        self._unreadable: set[Mark] = set()

    def add(self, mark: Mark, message: str) -> None:
        """Add a fault; it is not shown if the value at this place is already reported as unreadable."""
        self._added += 1
        if mark not in self._unreadable:
            self.found.append(Fault(mark.file, mark.line, mark.column, printable(message)))

    def unreadable(self, mark: Mark, message: str) -> Scalar:
        """Add the fault of a value that cannot be read; later faults at this place are not shown."""
        self.add(mark, message)
        self._unreadable.add(mark)
        return Scalar(mark, None)

    def extend(self, other: Faults) -> None:
        """Add the faults of another file."""
        self._added += len(other)
        self.found += other.found

    def __len__(self) -> int:
        return self._added


def read_tree(path: Path, faults: Faults) -> Mapping:
    """Read a file; if it cannot be read, add a fault and return an empty tree."""
    try:
        if path.is_dir():
            raise ValueError("it is a directory; name the .yaml file in it")
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES:,} bytes; a search space is a page of YAML text")
        text = raw.decode("utf-8-sig")
    except FileNotFoundError:
        wrong = f"there is no such file{near_files(path)}"
    except UnicodeDecodeError as error:
        wrong = f"not a text file: byte {error.start} is not UTF-8; a search space is YAML text"
    except (OSError, ValueError) as error:
        wrong = f"the file cannot be read: {getattr(error, 'strerror', None) or error}"
    else:
        return parse_tree(text, str(path), faults)
    start = Mark(str(path), 1, 1)
    faults.add(start, wrong)
    return Mapping(start)


def near_files(path: Path) -> str:
    """Return "; the folder has …" with the YAML files in the folder, or "" if there are none."""
    try:
        near = sorted(str(other) for other in path.parent.glob("*.yaml"))
    except (OSError, ValueError):
        near = []
    return f"; the folder has {', '.join(near[:8])}" if near else ""


def parse_tree(text: str, file: str, faults: Faults) -> Mapping:
    """Parse a whole file, which must be one mapping."""
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
    """Parse one value, as in `--set key=value`; empty text is null. If it is not YAML, add a fault and return None."""
    start, before = Mark(file, 1, 1), len(faults)
    raw = _compose(text, start, faults)
    if raw is None:
        return Scalar(start, None) if len(faults) == before else None
    return _convert(raw, file, faults)


def _compose(text: str, start: Mark, faults: Faults) -> RawNode | None:
    if deep := _deep_line(text):
        advice = "use fewer brackets"
        faults.add(Mark(start.file, deep, 1), f"nested more than {MAX_DEPTH} levels deep; {advice}")
        return None
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # `_refused` reports all anchors
    try:
        node: RawNode | None = yaml.compose(text)
    except ReaderError as error:
        before = text[: error.position]
        mark = Mark(start.file, before.count("\n") + 1, error.position - before.rfind("\n"))
        character = f"U+{ord(text[error.position]):04X}"
        faults.add(mark, f"not YAML text: it contains the control character {character}; remove it")
    except MarkedYAMLError as error:
        problem = str(error.problem or error.context)
        # A bracket or quote that is never closed is reported where it starts, not at the end of the file.
        open_end = any(words in problem for words in ("stream end", "end of stream", "could not find expected"))
        marks = (error.context_mark, error.problem_mark)
        at = next((mark for mark in (marks if open_end else reversed(marks)) if mark), None)
        advice = next((f"; {advice}" for part, advice in _ADVICE if part in problem), "")
        faults.add(_mark(start.file, at) if at else start, f"not valid YAML: {problem.removeprefix('but ')}{advice}")
    except YAMLError as error:
        faults.add(start, f"not valid YAML: {str(error).splitlines()[0]}")
    except RecursionError:
        faults.add(start, f"nested more than {MAX_DEPTH} levels deep")
    else:
        return node
    return None


def _deep_line(text: str) -> int | None:
    """Return the number of the first line with far too many open brackets, which take quadratic time to parse."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count("[") + line.count("{") > 3 * MAX_DEPTH:
            depth = itertools.accumulate((c in "[{") - (c in "]}") for c in line)
            if max(depth) > 3 * MAX_DEPTH:
                return number
    return None


def _mark(file: str, at: StreamMark) -> Mark:
    return Mark(file, at.line + 1, at.column + 1)


def _convert(raw: RawNode, file: str, faults: Faults, depth: int = 0) -> Node:
    mark = _mark(file, raw.start_mark)
    refused = f"nested more than {MAX_DEPTH} levels deep" if depth > MAX_DEPTH else _refused(raw)
    if refused:
        return faults.unreadable(mark, refused)
    if isinstance(raw, MappingNode):
        return _convert_mapping(raw, mark, faults, depth)
    if isinstance(raw, SequenceNode):
        return Sequence(mark, tuple(_convert(item, file, faults, depth + 1) for item in raw.value))
    return _convert_scalar(raw, mark, faults)


def _refused(raw: RawNode) -> str | None:
    """Return why a key or value is outside the subset."""
    if raw.anchor is not None:
        return f"anchors and aliases (&{raw.anchor}) are not supported; write the value out"
    start = raw.start_mark
    # Read the text, because the parser returns equal nodes for `!!str 5` and `"5"`. Only a tag starts with `!`.
    if start.buffer[start.pointer] == "!":
        tag = start.buffer[start.pointer :].split(maxsplit=1)[0].rstrip("\0")
        return f"tags ({show(tag)}) are not supported; write only the value"
    return None


def _convert_mapping(raw: MappingNode, mark: Mark, faults: Faults, depth: int) -> Mapping:
    mapping = Mapping(mark)
    for key, value in raw.value:
        key_mark = _mark(mark.file, key.start_mark)
        # For a key without a value, the parser returns the place of the next token, so use the key's place.
        empty = isinstance(value, ScalarNode) and value.start_mark.index == value.end_mark.index
        node = Scalar(key_mark, None) if empty else _convert(value, mark.file, faults, depth + 1)
        refused = _refused(key) if isinstance(key, ScalarNode) else "a key must be a word"
        if refused:
            faults.add(key_mark, refused)
        elif len(key.value) > MAX_KEY:
            faults.add(key_mark, f"unknown key {show(key.value)}: no key has more than {MAX_KEY} characters")
        elif key.value in mapping.entries:
            first = mapping.entries[key.value].mark
            faults.add(key_mark, f"the key `{key.value}` is already given in line {first.line}; keep one of them")
        else:
            mapping.entries[key.value] = Entry(key_mark, node)
    return mapping


def _convert_scalar(raw: RawNode, mark: Mark, faults: Faults) -> Scalar:
    read = _scalar_readers().get(str(raw.tag))  # none for text and dates, which stay text
    try:
        return Scalar(mark, read(raw) if read else raw.value)
    except (YAMLError, ValueError, OverflowError):  # for example thousands of digits
        return faults.unreadable(
            mark, f"cannot read the number {show(raw.value)}; write a shorter number, or put text in quotes"
        )


@cache
def _scalar_readers() -> dict[str, Callable[[RawNode], Value]]:
    constructor = YAML(typ="safe", pure=True).constructor
    kinds = ("null", "bool", "int", "float")
    return {f"tag:yaml.org,2002:{kind}": getattr(constructor, f"construct_yaml_{kind}") for kind in kinds}


def override(root: Mapping, path: tuple[str, ...], node: Node, faults: Faults) -> None:
    """Put `node` at `path`, as if it were in the file; create missing mappings on the way."""
    here = root
    for key in path[:-1]:
        entry = here.entries.setdefault(key, Entry(node.mark, Mapping(node.mark)))
        if not isinstance(entry.node, Mapping):
            faults.add(node.mark, f"`{key}` is not a section, so nothing below it can be set")
            return
        here = entry.node
    here.entries[path[-1]] = Entry(node.mark, node)
