"""The interface to a tracking store, and the plain values that it receives of a study and of its final model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from sweep.records.array_types import UInt8Array
from sweep.records.trial_record import TrialRecord
from sweep.space.config import Objective

REPORT_FILE = "report.html"
"""File name of the study's report, in the study's folder and among the artifacts of its run."""
ALIAS = "champion"
"""MLflow's alias for the model that `finalize` recommends."""

CloseState: TypeAlias = Literal["finished", "interrupted", "failed"]
"""How a sweep ended: all trials done, stopped by the user, or stopped by an error."""


@dataclass(frozen=True)
class StudyInfo:
    """What a tracking store shows of the study as a whole.

    Attributes:
        name: the study's name.
        id: the study's unique id; runs are found by it, so studies with the same name stay separate in a shared store.
        space: the search space as canonical YAML text.
        objective: the metric that decides which epoch of a trial is the best.
        folder: where the study keeps its records, models, samples and report, `studies/NAME`.
        cache: the folder of prepared images; without it, pictures that show images are left out.
    """

    name: str
    id: str
    space: str
    objective: Objective
    folder: Path
    cache: Path | None = None


@dataclass(frozen=True, eq=False)
class FinalModel:
    """What MLflow receives of a final model.

    Attributes:
        record: the winner's record, with the configuration, images and environment of the final training.
        key: identifies the training: equal keys mean the same model.
        model_file: a .keras file.
        card: the model card, Markdown.
        metrics: results on the test set.
        files: folder of the files that become artifacts of the run.
        names: the paths of these files, relative to the folder.
        example: one training image, uint8 (1, h, w, c).
    """

    record: TrialRecord
    key: str
    model_file: Path
    card: str
    metrics: Mapping[str, float]
    files: Path
    names: tuple[str, ...]
    example: UInt8Array


class Tracker(Protocol):
    """Shows trials to people. It makes no decisions and never delays or fails a sweep."""

    def update(self, record: TrialRecord) -> None:
        """Take the newest record of a trial: at its start, after every epoch and at its end. Returns immediately."""

    def close(self, state: CloseState, timeout: float) -> bool:
        """Write the records that are still waiting; later updates are ignored.

        Args:
            state: how the sweep ended.
            timeout: maximum seconds to wait.

        Returns:
            False if not everything was written.
        """

    @property
    def is_writing(self) -> bool:
        """True if another `close` can write more; False if everything is written, or the store has failed too often."""
