"""YAML as a tree that knows where each value stands, for a small safe subset: no tags, no anchors, no duplicate keys.

Faults are collected, not raised, so that a user sees all of them at once.
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
"""A space is a page of text; more is a wrong file. The parser reads 20 to 60 kB a second."""
MAX_DEPTH = 20
MAX_KEY = 64

_ADVICE = (
    (
        "mapping values are not allowed",
        "text that holds `: ` goes in quotes, and keys of one mapping begin in one column",
    ),
    ("'\\t'", "indent with spaces, not with tabs"),
    ("cannot start any token", "put text that begins with this character in quotes"),
    ("found another document", "a file holds one search space; remove the line `---`"),
    ("undefined alias", "anchors and aliases are not part of the language; write the value out"),
    ("end of stream", "a quote is never closed"),
    ("<stream end>", "a bracket or brace is never closed"),
    ("expected <block end>", "the keys of one mapping begin in the same column"),
    ("could not find expected ':'", "write `key: value`"),
    ("expected ',' or", "put a comma between the values, and close the bracket or brace"),
)
"""What to write instead, by a part of the parser's own words; the first that fits."""


@dataclass(frozen=True)
class Mark:
    """A place in a file (or in a command-line override, which is then the file's name); 1-based."""

    file: str
    line: int
    column: int


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


def received(node: Node) -> str:
    """Describe a node in an error message."""
    return show(node.value) if isinstance(node, Scalar) else "a list" if isinstance(node, Sequence) else "a mapping"


class Faults:
    """The faults found so far. Its length grows with every fault that is added, also with those that are not shown."""

    def __init__(self) -> None:
        self.found: list[Fault] = []
        self._added = 0
        self._unreadable: set[Mark] = set()

    def add(self, mark: Mark, message: str) -> None:
        """Add a fault; it is not shown if the value at this place could not be read anyway."""
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
    """Read a file; what cannot be read is a fault, and the tree is then empty."""
    file = str(path)
    start = Mark(file, 1, 1)
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a directory; name the .yaml file in it")
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        faults.add(start, f"there is no such file{near_files(path)}")
        return Mapping(start)
    except (OSError, ValueError) as error:
        faults.add(start, f"the file cannot be read: {getattr(error, 'strerror', None) or error}")
        return Mapping(start)
    if len(raw) > MAX_BYTES:
        faults.add(start, f"the file is larger than {MAX_BYTES:,} bytes; a search space is a page of YAML text")
        return Mapping(start)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        faults.add(start, f"not a text file: byte {error.start} is not UTF-8; a search space is YAML text")
        return Mapping(start)
    return parse_tree(text, file, faults)


def near_files(path: Path) -> str:
    """`; the folder has …`, or nothing."""
    try:
        near = sorted(str(other) for other in path.parent.glob("*.yaml"))
    except (OSError, ValueError):
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
    """Parse one value, as on the right of `--set key=`; None if it is empty, or not YAML, which is then a fault."""
    raw = _compose(text, Mark(file, 1, 1), faults)
    return None if raw is None else _convert(raw, file, faults)


def _compose(text: str, start: Mark, faults: Faults) -> RawNode | None:
    if deep := _deep_line(text):
        faults.add(
            Mark(start.file, deep, 1), f"nested more than {MAX_DEPTH} levels deep; write one block under another"
        )
        return None
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # they are faults, not warnings on the terminal
    try:
        node: RawNode | None = yaml.compose(text)
    except ReaderError as error:
        before = text[: error.position]
        mark = Mark(start.file, before.count("\n") + 1, error.position - before.rfind("\n"))
        faults.add(mark, f"not YAML text: it holds the control character U+{ord(text[error.position]):04X}; remove it")
    except MarkedYAMLError as error:
        problem = str(error.problem or error.context)
        # What is never closed is best shown where it begins, not at the end of the file.
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
    """The first line that opens far too many brackets: the parser's time grows with the square of their number."""
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
    """Why a key or value is outside the subset, whatever it says."""
    if raw.anchor is not None:
        return f"anchors and aliases (&{raw.anchor}) are not part of the language; write the value out"
    start = raw.start_mark
    # A tag is seen in the text alone: `!!str 5` is the same node as `"5"`, and no other value begins with `!`.
    if start.buffer[start.pointer] == "!":
        tag = start.buffer[start.pointer :].split(maxsplit=1)[0].rstrip("\0")
        return f"the tag {show(tag)} is not part of the language; write the value alone"
    return None


def _convert_mapping(raw: MappingNode, mark: Mark, faults: Faults, depth: int) -> Mapping:
    mapping = Mapping(mark)
    for key, value in raw.value:
        key_mark = _mark(mark.file, key.start_mark)
        # Nothing at all after a key has no place of its own; the parser gives that of whatever comes next.
        nothing = isinstance(value, ScalarNode) and value.start_mark.index == value.end_mark.index
        node = Scalar(key_mark, None) if nothing else _convert(value, mark.file, faults, depth + 1)
        refused = _refused(key) if isinstance(key, ScalarNode) else "a key must be a word"
        if refused:
            faults.add(key_mark, refused)
        elif len(key.value) > MAX_KEY:
            faults.add(key_mark, f"unknown key {show(key.value)}: no key has more than {MAX_KEY} letters")
        elif key.value in mapping.entries:
            first = mapping.entries[key.value].mark
            faults.add(key_mark, f"the key `{key.value}` is already given in line {first.line}; keep one of them")
        else:
            mapping.entries[key.value] = Entry(key_mark, node)
    return mapping


def _convert_scalar(raw: RawNode, mark: Mark, faults: Faults) -> Scalar:
    # What has no reader here is text: words, and what looks like a date.
    read = _scalar_readers().get(str(raw.tag))
    try:
        return Scalar(mark, read(raw) if read else raw.value)
    except (YAMLError, ValueError, OverflowError):  # thousands of digits
        return faults.unreadable(mark, f"no readable number: {show(raw.value)}; write a shorter one, or text in quotes")


@cache
def _scalar_readers() -> dict[str, Callable[[RawNode], Value]]:
    constructor = YAML(typ="safe", pure=True).constructor
    return {
        "tag:yaml.org,2002:null": constructor.construct_yaml_null,
        "tag:yaml.org,2002:bool": constructor.construct_yaml_bool,
        "tag:yaml.org,2002:int": constructor.construct_yaml_int,
        "tag:yaml.org,2002:float": constructor.construct_yaml_float,
    }


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
