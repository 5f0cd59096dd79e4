"""Small helpers for nested plain values: dictionaries, lists, scalars."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from sweep.space.config import Value
from sweep.space.parameters import Path


def put(mapping: dict[str, Any], path: Path, value: Value) -> None:
    """Set the value at `path`, making what is missing on the way; a list is filled from its first element on."""
    here: Any = mapping
    for key, below in itertools.pairwise(path):
        here = here.setdefault(key, [] if isinstance(below, int) else {})
    if isinstance(path[-1], int):
        # One per block, in order: the block before it exists whenever this one does.
        here.append(value)
    else:
        here[path[-1]] = value


def get(mapping: Mapping[str, Any], path: Path) -> tuple[bool, Value]:
    """Whether there is a value at `path`, and the value."""
    here: Any = mapping
    for key in path:
        try:
            here = here[key]
        except (KeyError, IndexError, TypeError):
            return False, None
    return True, here


def flatten(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one with dotted keys; lists and empty mappings stay whole."""
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        flat.update(
            flatten(value, f"{prefix}{key}.") if value and isinstance(value, Mapping) else {prefix + key: value}
        )
    return flat
