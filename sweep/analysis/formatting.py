"""Numbers and values as text for readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sweep.space.fields import Value
from sweep.space.wording import printable

NONE = "-"
"""The text for a missing value."""

LONGEST = 80
"""Maximum number of characters of a value in a table or on an axis."""


def duration(seconds: float) -> str:
    """Return a duration as text: `4.2 s`, `3 min 20 s`, `2 h 05 min`, `120 h`."""
    if seconds < 59.95:  # 59.95 would be rounded to 60.0
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 100 else f"{hours:,} h"


def count(number: int, noun: str) -> str:
    """Return the number with its noun: `1 trial`, `2,000 trials`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(words: list[str], most: int = 8) -> str:
    """Return `a, b and c`, or `a, b and 7 more` if there are more than `most` words."""
    shown = words if len(words) <= most else [*words[:most], f"{len(words) - most:,} more"]
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def numbers(trials: Sequence[int]) -> str:
    """Return `trial 3` or `trials 3, 8 and 12`."""
    return f"{'trial' if len(trials) == 1 else 'trials'} {listed([str(number) for number in trials])}"


def metric(value: float | None) -> str:
    """Return the value with four decimals, a very large loss in scientific notation, or `-` for None."""
    if value is None:
        return NONE
    return f"{value:.4f}" if abs(value) < 1e4 else f"{value:.3g}"


def share(part: float, whole: float) -> str:
    """Return `12 %`; `0 %` if `whole` is 0."""
    return f"{100 * part / whole if whole else 0.0:.0f} %"


def format_value(value: Value) -> str:
    """Return a sampled value as short text without control characters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    text = f"{value:.4g}" if isinstance(value, float) else printable(str(value))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def format_values(values: Mapping[str, Value]) -> str:
    """Return `learning_rate=0.00123 optimizer=adam filters=32,64`: `filters_1` and `filters_2` are joined."""
    joined: dict[str, list[str]] = {}
    for name, value in values.items():
        stem, _, index = name.rpartition("_")
        joined.setdefault(stem if index.isdigit() and stem else name, []).append(format_value(value))
    return " ".join(f"{name}={','.join(texts)}" for name, texts in joined.items())
