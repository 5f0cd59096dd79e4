"""Numbers as text for readers."""

from __future__ import annotations

import pytest

from sweep.analysis.formatting import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 s"),
        (4.25, "4.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (60.0, "1 min 00 s"),
        (200.4, "3 min 20 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (7500.0, "2 h 05 min"),
        (359_900.0, "99 h 58 min"),
        (36_000_000.0, "10,000 h"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
