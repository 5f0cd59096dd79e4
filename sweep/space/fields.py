"""What a section of the configuration may hold, derived from the annotations of its dataclass."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ConfigDict, TypeAdapter, ValidationError

from sweep.space.marks import Like, NotSearched, OnlyWhen, Value
from sweep.space.suggestions import did_you_mean


@dataclass(frozen=True)
class FieldSpec:
    """One key of a section.

    Attributes:
        annotation: of a single value: of the element where the field is a list.
        nested: the dataclass of a subsection, else None.
        many: the field is a list with one value per block.
        optional: None is a value.
        searched: a distribution may be given.
        default: what the configuration has where nothing is written; of a subsection it says nothing.
    """

    name: str
    annotation: Any
    nested: type[Any] | None
    many: bool
    optional: bool
    searched: bool
    only_when: OnlyWhen | None
    default: Any

    @property
    def kind(self) -> type[int] | type[float] | None:
        """int or float where a range makes sense."""
        bases = {_base(option) for option in _options(self.annotation)}
        return int if int in bases else float if float in bases else None


def fields_of(section: type[Any]) -> dict[str, FieldSpec]:
    """The keys of a section's dataclass, in order; a section of the user's own has them in `SPECS`."""
    own: dict[str, FieldSpec] | None = getattr(section, "SPECS", None)
    if own is not None:
        return own
    return _fields_of(section)  # type: ignore[arg-type]  # mypy takes a dataclass's type for unhashable


@cache
def _fields_of(section: type[Any]) -> dict[str, FieldSpec]:
    hints = get_type_hints(section, include_extras=True)
    return {item.name: _field_spec(item.name, hints[item.name], item.default) for item in dataclasses.fields(section)}


def _field_spec(name: str, annotation: Any, default: Any) -> FieldSpec:
    inner, marks = _unwrap(annotation)
    options = _options(inner)
    nested = next((option for option in options if dataclasses.is_dataclass(option)), None)
    lists = [option for option in options if get_origin(option) is tuple]
    only_when = next((mark for mark in marks if isinstance(mark, OnlyWhen)), None)
    return FieldSpec(
        name=name,
        annotation=get_args(lists[0])[0] if lists else annotation,
        nested=nested if isinstance(nested, type) else None,
        many=bool(lists),
        optional=type(None) in options,
        searched=nested is None and not any(isinstance(mark, NotSearched) for mark in marks),
        only_when=only_when,
        default=default,
    )


def _unwrap(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        return inner, tuple(marks)
    return annotation, ()


def _options(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the annotation itself."""
    inner, _ = _unwrap(annotation)
    return get_args(inner) if get_origin(inner) in (Union, types.UnionType) else (annotation,)


def _base(annotation: Any) -> Any:
    return _unwrap(annotation)[0]


@cache
def _adapter(spec: FieldSpec) -> TypeAdapter[Any]:
    return TypeAdapter(spec.annotation, config=ConfigDict(strict=True, allow_inf_nan=False))


def check_value(spec: FieldSpec, value: Value) -> str | None:
    """None if the field may have this value, else a sentence that says what was expected and received."""
    try:
        _adapter(spec).validate_python(value)
    except ValidationError:
        hint = did_you_mean(str(value), literals(spec)) if isinstance(value, str) else ""
        return f"`{spec.name}` must be {describe(spec)}, not {show(value)}{hint}"
    if spec.kind is int and isinstance(value, int) and abs(value) >= 2**63:
        return f"`{spec.name}` must be less than 2^63, not {show(value)}"
    return None


def normalize(spec: FieldSpec, value: Value) -> Value:
    """An integer written for a float field becomes a float, so that equal spaces compare equal."""
    return float(value) if spec.kind is float and isinstance(value, int) and not isinstance(value, bool) else value


def literals(spec: FieldSpec) -> tuple[str, ...]:
    """The words that a field accepts."""
    return tuple(
        str(word)
        for option in _options(spec.annotation)
        if get_origin(_base(option)) is Literal
        for word in get_args(_base(option))
    )


def describe(spec: FieldSpec) -> str:
    """What a single value must be, in words: `an integer, at least 1`."""
    parts = [_describe_option(option) for option in _options(spec.annotation) if option is not type(None)]
    return " or ".join(parts) + (", or null" if spec.optional and not spec.many else "")


def _describe_option(option: Any) -> str:
    inner, marks = _unwrap(option)
    if get_origin(inner) is Literal:
        words = [str(word) for word in get_args(inner)]
        return f"one of {', '.join(words)}" if len(words) > 1 else words[0]
    if isinstance(inner, type) and dataclasses.is_dataclass(inner):
        return "{" + ", ".join(f"{item.name}: …" for item in dataclasses.fields(inner)) + "}"
    name = {int: "an integer", float: "a number", bool: "true or false", str: "text"}.get(inner, str(inner))
    return ", ".join([name, *_bounds(marks)])


def _bounds(marks: Iterable[Any]) -> Iterator[str]:
    for mark in marks:
        if isinstance(mark, Like):
            yield f"like {mark.example}"
        for kind, attribute, words in _BOUNDS:
            if isinstance(mark, kind):
                yield f"{words} {getattr(mark, attribute):,}"


_BOUNDS = ((Ge, "ge", "at least"), (Gt, "gt", "more than"), (Le, "le", "at most"), (Lt, "lt", "less than"))


def show(value: object, longest: int = 60) -> str:
    """A value as a user would write it, shortened, without control characters."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 200:
        return f"a number of about {int(value.bit_length() * math.log10(2)) + 1:,} digits"
    if isinstance(value, float):
        return f"{value:.12g}" if math.isfinite(value) else f"{value:g}".replace("inf", ".inf").replace("nan", ".nan")
    text = printable(f'"{value}"' if isinstance(value, str) else str(value))
    return text if len(text) <= longest else text[: longest - 3] + "…"


def printable(text: str) -> str:
    """The text with control characters and other unprintable ones escaped: a file must not drive the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def is_number(value: object) -> bool:
    """A finite int or float, not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
