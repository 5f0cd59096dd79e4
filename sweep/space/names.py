"""Names of studies, which become names of folders."""

from __future__ import annotations

from pydantic import TypeAdapter

from sweep.space.config import Name
from sweep.space.fields import show


def is_study_name(name: str) -> bool:
    """Whether a study can be called so."""
    try:
        TypeAdapter(Name).validate_python(name, strict=True)
    except ValueError:
        return False
    return True


def check_study_name(name: str) -> str | None:
    """None for a usable study name, else what is wrong with it."""
    return None if is_study_name(name) else study_name_rule(name)


def study_name_rule(name: object) -> str:
    """Why this is no name for a study, which becomes a folder's name."""
    rule = "a study's name is at most 64 letters, digits, `.`, `_` and `-`, the first a letter or digit"
    plain = isinstance(name, bool | int | float) or name is None
    return f"{rule}; not {show(name)}{'; text in quotes would do' if plain else ''}"
