"""Words of messages: values as a user would write them, and suggestions for misspelt names."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable


def show(value: object, longest: int = 60) -> str:
    """Return a value in the notation of YAML, at most `longest` characters long and without control characters."""
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
    """Escape control and other unprintable characters, so that the text of a file cannot control the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most similar to `word`; None if none is similar."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean `x`?" for the nearest known word, else ""."""
    near = nearest(word, known)
    return f"; did you mean `{near}`?" if near else ""
