"""Every error that sweep raises on purpose.

    SweepError
    ├── UserError               the user can mend it; exit code 2
    │   ├── SpaceError          the space file, an override or a recipe is wrong (carries all faults)
    │   ├── ModelError          a model of the user's own cannot be imported or built
    │   ├── DataError           the images or labels cannot be used
    │   ├── WeightsError        pre-trained weights cannot be had
    │   ├── StudyError          the study is locked, missing, or holds another space
    │   │   └── DiskError       its disk is full, read-only or not ours to write
    │   ├── RecordError         a trial's record cannot be read
    │   ├── TrackingError       the tracking store cannot be used
    │   └── ModelFileError      a model file cannot be used, or must not be
    ├── NothingFinished         the sweep ended without a single finished trial; exit code 3
    ├── TrialFailure            this trial failed, the sweep goes on (carries its cause)
    └── SweepStopped            the whole sweep must stop (the same bug, three times in a row); exit code 1

A message names the thing, says what was expected and what was received, and ends with what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

FailureCause = Literal["nan", "oom", "too_large", "infeasible", "timeout", "killed", "data", "bug"]
"""Why a trial failed. `nan`, `oom`, `too_large` and `infeasible` are properties of the sampled point and teach
the sampler to keep away; `bug` is a Python exception out of the trial's code."""


class SweepError(Exception):
    """Base of all errors below."""

    exit_code = 1


class UserError(SweepError):
    """Something that the user wrote or chose; shown without a traceback."""

    exit_code = 2


@dataclass(frozen=True, order=True)
class Fault:
    """One fault of a file: where it is (1-based line and column) and what to write instead."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class SpaceError(UserError):
    """All faults of a space file at once, in the order of the file."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(str(fault) for fault in self.faults))

    def __reduce__(self) -> tuple[type[SpaceError], tuple[tuple[Fault, ...]]]:
        """Pickled by its parts: an exception would be made again from its text alone."""
        return SpaceError, (self.faults,)


class ModelError(UserError):
    """The user's own model cannot be imported or built; with the user's own frames of the traceback."""


class DataError(UserError):
    """The data set cannot be found, read or split."""


class WeightsError(UserError):
    """A file of pre-trained weights is missing, cannot be fetched, or is not the one that was meant."""


class StudyError(UserError):
    """The study cannot be opened, or does not hold what was asked for."""


class DiskError(StudyError):
    """The study's disk cannot be written: full, read-only, or no right to. The study itself is intact."""


class RecordError(UserError):
    """A trial's record is missing, torn or of another format."""


class TrackingError(UserError):
    """The tracking store cannot be used as asked."""


class ModelFileError(UserError):
    """A model file is missing, damaged, or holds what a model of sweep does not: it is not opened."""


class NothingFinished(SweepError):
    """No trial reached its end, so there is no best one."""

    exit_code = 3


class SweepStopped(SweepError):
    """The sweep cannot go on."""


class TrialFailure(SweepError):
    """One trial failed for a known cause.

    Args:
        cause: one of `FailureCause`.
        message: what happened, with the numbers.
        traceback: the trial's own traceback where there is one, else "".
    """

    def __init__(self, cause: FailureCause, message: str, traceback: str = "") -> None:
        self.cause: FailureCause = cause
        self.message = message
        self.traceback = traceback
        super().__init__(f"{cause}: {message}")

    def __reduce__(self) -> tuple[type[TrialFailure], tuple[FailureCause, str, str]]:
        """Pickled by its parts: an exception would be made again from its text alone."""
        return TrialFailure, (self.cause, self.message, self.traceback)
