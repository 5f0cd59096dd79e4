"""The seam to the tracking store: what a sweep tells it, and the two trackers that need none."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from sweep.records.trial_record import TrialRecord
from sweep.space.config import Objective

REPORT_FILE = "report.html"
"""Of a study, in its folder and in its run."""

CloseState: TypeAlias = Literal["finished", "interrupted", "failed"]
"""How a sweep ended: all trials done, stopped from outside, or stopped by an error."""


@dataclass(frozen=True)
class StudyInfo:
    """What a tracking store shows of the study as a whole.

    Attributes:
        name: of the study.
        id: of the study; runs are found by it, so that two studies of one name do not mix in a shared store.
        space: the search space as canonical YAML text.
        objective: what the best epoch of a trial is measured by.
        folder: where the study keeps its records, models, samples and report, `studies/NAME`.
        cache: of decoded images; None, or a cache without the study's images, leaves out what shows some of them.
    """

    name: str
    id: str
    space: str
    objective: Objective
    folder: Path
    cache: Path | None = None


class Tracker(Protocol):
    """Shows trials to people. It never decides anything, and never delays or fails a sweep."""

    def update(self, record: TrialRecord) -> None:
        """Take the newest record of a trial: at its start, after every epoch and at its end. Returns at once."""

    def close(self, state: CloseState, timeout: float) -> bool:
        """Write what is still waiting; later updates are ignored.

        Args:
            state: how the sweep ended.
            timeout: seconds that this may take.

        Returns:
            False when not everything could be written.
        """


class NoTracker:
    """Tracks nothing."""

    def update(self, record: TrialRecord) -> None:
        """Ignore the record."""

    def close(self, state: CloseState, timeout: float) -> bool:  # noqa: ARG002 - the seam's signature
        """Nothing is left to write."""
        return True


@dataclass
class MemoryTracker:
    """Keeps what it was told, for tests.

    Attributes:
        updates: every record in the order of arrival.
        state: what `close` was called with first, None while open.
    """

    updates: list[TrialRecord] = field(default_factory=list)
    state: CloseState | None = None

    @property
    def newest(self) -> dict[int, TrialRecord]:
        """The newest record of each trial, by number."""
        return {record.number: record for record in self.updates}

    def update(self, record: TrialRecord) -> None:
        """Keep the record."""
        if self.state is None:
            self.updates.append(record)

    def close(self, state: CloseState, timeout: float) -> bool:  # noqa: ARG002 - the seam's signature
        """Keep the first state."""
        self.state = self.state or state
        return True
