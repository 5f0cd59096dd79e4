"""What a module of the user's defines, read without running it: no import, no TensorFlow, no side effects."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sweep.space.pinned_files import SourceError
from sweep.space.user_model_configs import GIVEN

NO_DEFAULT = object()
"""Of a parameter that must be given."""
UNKNOWN = object()
"""Of a parameter whose default is not a plain value: known to the running code only."""


@dataclass(frozen=True)
class Argument:
    """A parameter of a builder.

    Attributes:
        annotation: int, float, bool, str, Literal, or a union of them with or without None; None where the signature
            says nothing that can be checked.
        default: a plain value, `NO_DEFAULT` or `UNKNOWN`.
    """

    name: str
    annotation: Any
    default: Any


def parse_source(path: Path) -> ast.Module:
    """The syntax tree of a file.

    Raises:
        SourceError: it cannot be read, or is not Python.
    """
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        raise SourceError(f"{path}:{error.lineno}:{error.offset}: {error.msg}") from None
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from None


def defined_names(tree: ast.Module) -> list[str]:
    """What a module's top level defines, assigns or imports."""
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
    """The parameters of a function that the file has to say something about, in order.

    Raises:
        SourceError: there is no such function at the module's top level, or it has positional-only parameters.
    """
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    function = functions.get(name)
    if function is None:
        there = ", ".join(functions) or "none"
        raise SourceError(f"no function `{name}` is defined at the module's top level; there are {there}")
    given = function.args
    if given.posonlyargs:
        raise SourceError(f"`{name}` has positional-only parameters; sweep calls it with keywords: remove the `/`")
    padding: list[ast.expr | None] = [None] * (len(given.args) - len(given.defaults))
    pairs = [
        *zip(given.args, [*padding, *given.defaults], strict=True),
        *zip(given.kwonlyargs, given.kw_defaults, strict=True),
    ]
    return [_argument(argument, default) for argument, default in pairs if argument.arg not in GIVEN]


def takes(tree: ast.Module, name: str) -> tuple[str, ...]:
    """Which of the facts in `GIVEN` a function asks for."""
    function = next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name), None)
    names = [] if function is None else [item.arg for item in (*function.args.args, *function.args.kwonlyargs)]
    return tuple(name for name in names if name in GIVEN)


def _argument(argument: ast.arg, default: ast.expr | None) -> Argument:
    return Argument(argument.arg, _annotation(argument.annotation), _default(default))


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
    """The type that an annotation names; None where it is none of those that a file can hold."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return _annotation(ast.parse(node.value, mode="eval").body)
        except SyntaxError:
            return None
    if isinstance(node, ast.Constant) and node.value is None:
        return type(None)
    if isinstance(node, ast.Name):
        return _PLAIN.get(node.id)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = _annotation(node.left), _annotation(node.right)
        return None if left is None or right is None else left | right
    if isinstance(node, ast.Subscript):
        return _subscript(_last_name(node.value), node.slice)
    return None


def _subscript(name: str, inner: ast.expr) -> Any:
    if name == "Optional":
        option = _annotation(inner)
        return None if option is None else option | None
    if name == "Literal":
        words = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        values = tuple(word.value for word in words if isinstance(word, ast.Constant))
        return Literal[values] if len(values) == len(words) else None
    return None


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
