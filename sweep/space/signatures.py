"""What a user's module defines, read from its syntax tree: nothing is imported or run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sweep.space.model_sections import GIVEN
from sweep.space.pinned_files import SourceError

NO_DEFAULT = object()
"""Stands for the default of a parameter that has no default."""
UNKNOWN = object()
"""Stands for a default that is not a plain value, so that only running the code would show it."""


@dataclass(frozen=True)
class Argument:
    """A parameter of a builder.

    Attributes:
        annotation: int, float, bool, str, Literal, or a union of these or with None; None if values cannot be checked.
        default: a plain value, `NO_DEFAULT` or `UNKNOWN`.
    """

    name: str
    annotation: Any
    default: Any


def parse_source(path: Path) -> ast.Module:
    """Return the syntax tree of a file.

    Raises:
        SourceError: the file cannot be read, or is not Python.
    """
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        raise SourceError(f"{path}:{error.lineno}:{error.offset}: {error.msg}") from None
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from None


def defined_names(tree: ast.Module) -> list[str]:
    """Return the names that the top level of a module defines, assigns or imports."""
    return list(dict.fromkeys(_names(tree.body)))


def _names(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.If | ast.Try):
            yield from _names([*node.body, *node.orelse])


def read_signature(tree: ast.Module, name: str) -> list[Argument]:
    """Return the parameters of a function in order, without those in `GIVEN`.

    Raises:
        SourceError: the module's top level has no such function, or the function has positional-only parameters.
    """
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    if name not in functions:
        there = ", ".join(functions) or "none"
        raise SourceError(f"no function `{name}` is defined at the module's top level; it defines {there}")
    given = functions[name].args
    if given.posonlyargs:
        raise SourceError(f"`{name}` has positional-only parameters; sweep calls it with keywords: remove the `/`")
    padding: list[ast.expr | None] = [None] * (len(given.args) - len(given.defaults))
    pairs = zip([*given.args, *given.kwonlyargs], [*padding, *given.defaults, *given.kw_defaults], strict=True)
    return [
        Argument(argument.arg, _annotation(argument.annotation), _default(default))
        for argument, default in pairs
        if argument.arg not in GIVEN
    ]


def _default(node: ast.expr | None) -> Any:
    if node is None:
        return NO_DEFAULT
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return UNKNOWN
    return value if value is None or isinstance(value, bool | int | float | str) else UNKNOWN


_PLAIN: dict[str, Any] = {"int": int, "float": float, "bool": bool, "str": str, "None": type(None)}


def _annotation(node: ast.expr | None) -> Any:
    """Return the type that an annotation names; None if a file cannot contain values of this type."""
    match node:
        case ast.Constant(value=str(text)):
            try:
                return _annotation(ast.parse(text, mode="eval").body)
            except SyntaxError:
                return None
        case ast.Constant(value=None):
            return type(None)
        case ast.Name(id=name):
            return _PLAIN.get(name)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            a, b = _annotation(left), _annotation(right)
            return None if a is None or b is None else a | b
        case ast.Subscript(value=ast.Name(id="Optional") | ast.Attribute(attr="Optional"), slice=inner):
            option = _annotation(inner)
            return None if option is None else option | None
        case ast.Subscript(value=ast.Name(id="Literal") | ast.Attribute(attr="Literal"), slice=inner):
            words = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            values = tuple(word.value for word in words if isinstance(word, ast.Constant))
            return Literal[values] if len(values) == len(words) else None
    return None
