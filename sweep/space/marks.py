"""What the annotations of a configuration's fields are made of: bounds that recur, and marks for the space's reader."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from annotated_types import Ge, Gt, Lt
from pydantic import ConfigDict, StringConstraints

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
"""Of every section: no conversion between types, no unknown key."""

Value: TypeAlias = bool | int | float | str | None
"""What a parameter of a space can be."""

MAX_IMAGE_SIZE = 1024


class NotSearched:
    """Marks a field that every trial of a study shares."""


NOT_SEARCHED = NotSearched()


class OnlyWhen:
    """Marks a field that takes effect only while another field of the same section has one of `values`."""

    def __init__(self, name: str, *values: Value) -> None:
        self.name = name
        self.values = values


class Like:
    """Marks text of a form that an example tells best."""

    def __init__(self, example: str) -> None:
        self.example = example


PositiveInt: TypeAlias = Annotated[int, Ge(1)]
Share: TypeAlias = Annotated[float, Gt(0), Lt(1)]
Rate: TypeAlias = Annotated[float, Ge(0), Lt(1)]
MemorySize: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})?[KMGT]$"), Like("512M or 4G")
]
Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
