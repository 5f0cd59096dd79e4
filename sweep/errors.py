"""Every error that sweep raises on purpose.

    SweepError
    ├── UserError               the user can fix the cause; exit code 2
    │   ├── SpaceError          the space file, an override or a recipe is wrong (carries all faults)
    │   ├── ModelError          the user's model cannot be imported or built
    │   ├── DataError           the images or labels cannot be used
    │   ├── WeightsError        pre-trained weights are not available
    │   ├── StudyError          the study is locked, missing, or has another space
    │   │   └── DiskError       the study's disk is full, read-only or not writable
    │   ├── RecordError         a trial record cannot be read
    │   ├── TrackingError       the tracking store cannot be used
    │   └── ModelFileError      a model file cannot be used, or is refused
    ├── NothingFinished         the study has no complete trial; exit code 3
    ├── TrialFailure            a trial failed, the sweep continues (carries the cause)
    └── SweepStopped            the whole sweep must stop (the same bug, three times in a row); exit code 1

A message names the thing, what was expected and what was received, and ends with what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

FailureCause = Literal["nan", "oom", "too_large", "infeasible", "timeout", "killed", "data", "bug"]
"""Why a trial failed. `nan`, `oom`, `too_large` and `infeasible` are caused by the sampled values and teach the
sampler to avoid them; `bug` is a Python exception in the trial's code."""


class SweepError(Exception):
    """Base of all errors below."""

    exit_code = 1


class UserError(SweepError):
    """An error in something that the user wrote or chose; shown without a traceback."""

    exit_code = 2


@dataclass(frozen=True, order=True)
class Fault:
    """One fault in a file: its position (1-based line and column) and what to write instead."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class SpaceError(UserError):
    """All faults of a space file, in the order of the file."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(str(fault) for fault in self.faults))

    def __reduce__(self) -> tuple[type[SpaceError], tuple[tuple[Fault, ...]]]:
        """Pickle the arguments; by default only the text of an exception is pickled."""
        return SpaceError, (self.faults,)


class ModelError(UserError):
    """The user's model cannot be imported or built; the message has the user's part of the traceback."""


class DataError(UserError):
    """The data set cannot be found, read or split."""


class WeightsError(UserError):
    """A file of pre-trained weights is missing, cannot be fetched, or has another digest."""


class StudyError(UserError):
    """The study cannot be opened, or does not contain what was requested."""


class DiskError(StudyError):
    """The study's disk is full, read-only, or not writable. The study itself is intact."""


class RecordError(UserError):
    """A trial record is missing, incomplete or of another format."""


class TrackingError(UserError):
    """The tracking store cannot be used as requested."""


class ModelFileError(UserError):
    """A model file is missing, damaged, or has contents that models of sweep never have. The file is not opened."""


class NothingFinished(SweepError):
    """No trial is complete, so there is no best trial."""

    exit_code = 3


class SweepStopped(SweepError):
    """The sweep cannot continue."""


class TrialFailure(SweepError):
    """One trial failed for a known cause.

    Args:
        cause: one of `FailureCause`.
        message: what happened, with the measured value and its limit if there are any.
        traceback: the trial's traceback, or "".
    """

    def __init__(self, cause: FailureCause, message: str, traceback: str = "") -> None:
        self.cause: FailureCause = cause
        self.message = message
        self.traceback = traceback
        super().__init__(f"{cause}: {message}")

    def __reduce__(self) -> tuple[type[TrialFailure], tuple[FailureCause, str, str]]:
        """Pickle the arguments; by default only the text of an exception is pickled."""
        return TrialFailure, (self.cause, self.message, self.traceback)
