"""What the trials' curves say, over a whole study."""

from __future__ import annotations

from collections import Counter

from sweep.analysis.formatting import count, listed
from sweep.analysis.history import History

SHOWN = 5
"""Best trials whose findings are written out."""


def curve_summary(history: History) -> str:
    """How many trials show which fault; "" where none does or none has ended."""
    ended = [record for record in history.records if record.epochs and record.finished is not None]
    kinds = Counter(finding.kind for record in ended for finding in record.diagnosis)
    if not kinds:
        return ""
    told = [f"{kind} in {number:,}" for kind, number in kinds.most_common()]
    return f"The curves of {count(len(ended), 'trial')} that ended show {listed(told)}."


def curve_notes(history: History) -> tuple[str, ...]:
    """The findings of the best trials, one sentence each."""
    best = history.ranked[:SHOWN]
    return tuple(f"Trial {record.number}: {finding}." for record in best for finding in record.diagnosis)
