"""Failed trials, grouped by cause, with advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sweep.analysis.formatting import format_value
from sweep.analysis.history import History, total_seconds
from sweep.records.trial_record import TrialRecord

ADVICE: Mapping[str, str] = {
    "nan": "the loss became infinite or NaN; try smaller learning rates; the sampler takes this into account",
    "oom": "memory ran out; run fewer trials at a time, use smaller batches or a lower max_parameters",
    "too_large": "the model has more parameters than max_parameters allows; the sampler takes this into account",
    "infeasible": "the model cannot be built, for example because pooling shrinks the image to nothing; the sampler "
    "takes this into account",
    "timeout": "no epoch ended within search.watchdog times the usual time of an epoch: the driver or the file system "
    "may hang, or the machine may be busy",
    "killed": "another program killed the trial's process, often because memory ran out; see the system log",
    "data": "the images could not be read; the data set may have moved or changed",
    "bug": "the trial's code raised an exception; the traceback says where",
}
"""The meaning of each cause, and how to avoid it."""


@dataclass(frozen=True)
class Failure:
    """One failed trial.

    Attributes:
        summary: first line of the message.
        details: the whole message, with the traceback if there is one.
        epochs: number of epochs finished before the failure.
    """

    number: int
    cause: str
    summary: str
    details: str
    epochs: int
    seconds: float


@dataclass(frozen=True)
class FailureGroup:
    """The trials that failed with the same cause."""

    cause: str
    advice: str
    failures: tuple[Failure, ...]


def failure_groups(history: History) -> tuple[FailureGroup, ...]:
    """Return the failed trials by cause, the most frequent first."""
    groups: dict[str, list[Failure]] = {}
    for record in history.of("failed"):
        groups.setdefault(record.reason, []).append(_failure(record))
    found = [FailureGroup(format_value(cause), ADVICE.get(cause, ""), tuple(group)) for cause, group in groups.items()]
    return tuple(sorted(found, key=lambda group: (-len(group.failures), group.cause)))


def _failure(record: TrialRecord) -> Failure:
    return Failure(
        number=record.number,
        cause=format_value(record.reason),
        summary=next(iter(record.message.splitlines()), ""),
        details=record.message,
        epochs=len(record.epochs),
        seconds=total_seconds(record),
    )
