"""Class names that may be one class: `cat` and `Cats`, `polar_bear` and `Polar bear`, `tulip` and `tuilp`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import combinations

FEWEST_LETTERS = 3
"""That a word needs to have a plural: `b` and `bs` may be anything."""
SHORTEST = 5
"""Letters that the longer name needs for one wrong letter to be a likely slip: `bear` and `bean` are two things."""


def same_class(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Names that differ in case, in separators or in a plural ending only, in groups."""
    by_plain: dict[str, list[str]] = {}
    for name in names:
        by_plain.setdefault(_plain(name), []).append(name)
    found = []
    for plain, group in by_plain.items():
        together = [*group, *(name for plural in _plurals(plain) for name in by_plain.get(plural, ()))]
        if len(together) > 1:
            found.append(tuple(together))
    return found


def near_classes(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of names that are one slip of the pen apart (a letter too many, too few, wrong, or two swapped).

    Names that differ in a digit or in their first letter are not such.
    """
    return list(_near(names))


def _near(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for first, second in combinations(names, 2):
        a, b = _plain(first), _plain(second)
        alike = a[:1] == b[:1] and max(len(a), len(b)) >= SHORTEST and _digits(a) == _digits(b)
        if alike and a != b and b not in _plurals(a) and a not in _plurals(b) and _one_slip(a, b):
            yield first, second


def _digits(name: str) -> list[str]:
    return re.findall(r"\d", name)


def _plain(name: str) -> str:
    """Without case and separators."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"[\W_]+", "", folded) or folded


def _plurals(word: str) -> tuple[str, ...]:
    if len(word) < FEWEST_LETTERS or word[-1].isdigit():
        return ()
    return (f"{word}s", f"{word}es", *([f"{word[:-1]}ies"] if word.endswith("y") else []))


def _one_slip(a: str, b: str) -> bool:
    """Whether the optimal string alignment distance is 1."""
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[start:], b[start:]
    swapped = rest_a[:2] == rest_b[1::-1] and len(rest_a) >= 2 and rest_a[2:] == rest_b[2:]
    return swapped or rest_a[1:] == rest_b[1:] or rest_a[1:] == rest_b or rest_a == rest_b[1:]
