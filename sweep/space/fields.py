"""The fields of the configuration: their annotations, and the values that a space file may give them."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError

from sweep.space.wording import did_you_mean, show

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
"""Settings of every section: no conversion between types, no unknown key, no infinite number."""

Value: TypeAlias = bool | int | float | str | None
"""A value of a parameter."""

MAX_IMAGE_SIZE = 1024


class NotSearched:
    """Marks a field that has the same value in all trials of a study."""


NOT_SEARCHED = NotSearched()


class OnlyWhen:
    """Marks a field that takes effect only while another field of its section has one of `values`."""

    def __init__(self, name: str, *values: Value) -> None:
        self.name = name
        self.values = values


class Like:
    """Marks a text field and gives an example of its format for messages."""

    def __init__(self, example: str) -> None:
        self.example = example


PositiveInt: TypeAlias = Annotated[int, Ge(1)]
Share: TypeAlias = Annotated[float, Gt(0), Lt(1)]
Rate: TypeAlias = Annotated[float, Ge(0), Lt(1)]
MemorySize: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})?[KMGT]$"), Like("512M or 4G")
]
Digest: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 digest in hexadecimal."""
Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""The name of a study, which is also the name of its folder."""


def check_study_name(name: object) -> str | None:
    """Return why a study cannot have this name; None if it can."""
    try:
        TypeAdapter(Name).validate_python(name, strict=True)
    except ValidationError:
        rule = "a study's name has 1 to 64 letters, digits, `.`, `_` or `-`, and starts with a letter or digit"
        return f"{rule}; received {show(name)}" + ("" if isinstance(name, str) else "; write it in quotes")
    return None


@dataclass(frozen=True)
class FieldSpec:
    """One key of a section.

    Attributes:
        annotation: the type of a single value; if the field is a list, the type of an element.
        nested: the dataclass of a subsection, else None.
        many: True if the field is a list with one value per block.
        searched: True if a distribution is allowed.
        default: the value if the file does not set the key; meaningless for a subsection.
    """

    name: str
    annotation: Any
    nested: type[Any] | None = None
    many: bool = False
    searched: bool = True
    only_when: OnlyWhen | None = None
    default: Any = None

    @property
    def optional(self) -> bool:
        """True if None is a valid value."""
        return type(None) in _options(self.annotation)

    @property
    def kind(self) -> type[int] | type[float] | None:
        """The type of the numbers of a range; None if the field cannot be a range."""
        bases = {_base(option) for option in _options(self.annotation)}
        return int if int in bases else float if float in bases else None


def fields_of(section: type[Any]) -> dict[str, FieldSpec]:
    """Return the keys of a section in order: the fields of its dataclass, or `SPECS` for a user's model."""
    specs: dict[str, FieldSpec] | None = getattr(section, "SPECS", None)
    return _fields_of(section) if specs is None else specs  # type: ignore[arg-type]  # mypy: class not hashable


@cache
def _fields_of(section: type[Any]) -> dict[str, FieldSpec]:
    hints = get_type_hints(section, include_extras=True)
    return {item.name: _field_spec(item.name, hints[item.name], item.default) for item in dataclasses.fields(section)}


def _field_spec(name: str, annotation: Any, default: Any) -> FieldSpec:
    inner, marks = _unwrap(annotation)
    options = _options(inner)
    nested = next((option for option in options if dataclasses.is_dataclass(option)), None)
    lists = [option for option in options if get_origin(option) is tuple]
    return FieldSpec(
        name=name,
        annotation=get_args(lists[0])[0] if lists else annotation,
        nested=nested if isinstance(nested, type) else None,
        many=bool(lists),
        searched=nested is None and not any(isinstance(mark, NotSearched) for mark in marks),
        only_when=next((mark for mark in marks if isinstance(mark, OnlyWhen)), None),
        default=default,
    )


def _unwrap(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Split `Annotated[inner, *marks]`."""
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        return inner, tuple(marks)
    return annotation, ()


def _base(annotation: Any) -> Any:
    return _unwrap(annotation)[0]


def _options(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the annotation itself."""
    inner = _base(annotation)
    return get_args(inner) if get_origin(inner) in (Union, types.UnionType) else (annotation,)


@cache
def _adapter(spec: FieldSpec) -> TypeAdapter[Any]:
    return TypeAdapter(spec.annotation, config=ConfigDict(strict=True, allow_inf_nan=False))


def checked(spec: FieldSpec, value: Value) -> Value:
    """Return a valid single value; for a float field, an integer becomes a float, so that equal spaces compare equal.

    Raises:
        ValueError: the field cannot have this value; the text says what was expected and received.
    """
    try:
        valid: Value = _adapter(spec).validate_python(value)
    except ValidationError:
        hint = did_you_mean(str(value), literals(spec)) if isinstance(value, str) else ""
        raise ValueError(f"`{spec.name}` must be {describe(spec)}, not {show(value)}{hint}") from None
    if isinstance(valid, int) and abs(valid) >= 2**63:
        raise ValueError(f"`{spec.name}` must be less than 2^63, not {show(value)}")
    return valid


def literals(spec: FieldSpec) -> tuple[str, ...]:
    """Return the words that a field accepts."""
    options = [_base(option) for option in _options(spec.annotation)]
    return tuple(str(word) for option in options if get_origin(option) is Literal for word in get_args(option))


def describe(spec: FieldSpec) -> str:
    """Describe the valid single values: "an integer, at least 1"."""
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
        match mark:
            case Like(example=example):
                yield f"like {example}"
            case Ge(ge=bound):
                yield f"at least {bound:,}"
            case Gt(gt=bound):
                yield f"more than {bound:,}"
            case Le(le=bound):
                yield f"at most {bound:,}"
            case Lt(lt=bound):
                yield f"less than {bound:,}"
