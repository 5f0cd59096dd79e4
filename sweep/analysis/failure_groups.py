"""Why trials failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sweep.analysis.formatting import format_value
from sweep.analysis.history import History, total_seconds
from sweep.records.trial_record import TrialRecord

ADVICE: Mapping[str, str] = {
    "nan": "the loss became infinite or not a number; smaller learning rates avoid it, and the sampler has been told",
    "oom": "memory ran out; fewer trials at a time, smaller batches or a lower max_parameters leave more",
    "too_large": "the model has more weights than max_parameters allows; the sampler has been told",
    "infeasible": "no such model can be built, as when pooling shrinks the image to nothing; the sampler has been told",
    "timeout": "no epoch came within search.watchdog times the usual; a hung driver or file system, or a busy machine",
    "killed": "the trial's process was ended from outside; the system's log says by whom, often for lack of memory",
    "data": "the images could not be read; the data set may have moved or changed",
    "bug": "the trial's code raised an exception; the traceback says where",
}
"""What a cause means and what helps."""


@dataclass(frozen=True)
class Failure:
    """One failed trial.

    Attributes:
        summary: first line of the message.
        details: the message whole, with the traceback where there is one.
        epochs: finished before it failed.
    """

    number: int
    cause: str
    summary: str
    details: str
    epochs: int
    seconds: float


@dataclass(frozen=True)
class FailureGroup:
    """The trials that failed for the same cause."""

    cause: str
    advice: str
    failures: tuple[Failure, ...]


def failure_groups(history: History) -> tuple[FailureGroup, ...]:
    """The failed trials by cause, the commonest first."""
    groups: dict[str, list[Failure]] = {}
    for record in history.of("failed"):
        groups.setdefault(record.reason, []).append(_failure(record))
    found = [FailureGroup(format_value(cause), ADVICE.get(cause, ""), tuple(group)) for cause, group in groups.items()]
    return tuple(sorted(found, key=lambda group: (-len(group.failures), group.cause)))


def _failure(record: TrialRecord) -> Failure:
    lines = record.message.splitlines()
    summary = lines[0] if lines else ""
    return Failure(
        record.number, format_value(record.reason), summary, record.message, len(record.epochs), total_seconds(record)
    )
