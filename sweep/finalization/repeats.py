"""One repetition of a finalist: its configuration with the seed and the split of a round, recorded like a trial."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from sweep.data.cache import Prepared
from sweep.data.loading import Split, load_split
from sweep.errors import RecordError
from sweep.execution.executor import Task
from sweep.records.final_result import final_folder
from sweep.records.seeds import Purpose, derive
from sweep.records.trial_record import RECORD_FILE, TrialRecord, read_record
from sweep.records.trial_result import OnEpoch, TrialResult


@dataclass(frozen=True, kw_only=True)
class RepeatTask(Task):
    """A task on a split of its own."""

    split: Split


@dataclass(frozen=True)
class RepeatPlan:
    """Which seed and which split each round has; the same for all finalists.

    Attributes:
        folder: of the study.
        seed: of the study.
        folds: of the cross-validation that consecutive rounds make up; None for a fresh split in each.
    """

    folder: Path
    seed: int
    folds: int | None

    def split(self, number: int) -> Split:
        """The split of a round, 1 for the first. With folds, each pass over them shuffles anew."""
        if self.folds is None:
            return Split(derive(self.seed, Purpose.RESPLIT, number))
        turn, fold = divmod(number - 1, self.folds)
        return Split(derive(self.seed, Purpose.FOLDS, turn), self.folds, fold)

    def task(self, record: TrialRecord, number: int, prepared: Prepared) -> RepeatTask:
        """What to train for a finalist in a round."""
        config = dataclasses.replace(record.config, seed=derive(self.seed, Purpose.REPEAT, number))
        return RepeatTask(
            number=record.number,
            config=config,
            prepared=prepared,
            folder=self.place(record.number, number),
            split=self.split(number),
        )

    def place(self, trial: int, number: int) -> Path:
        """`studies/NAME/final/repeats/splits/0007/03`, or `…/folds-5/0007/03`."""
        kind = "splits" if self.folds is None else f"folds-{self.folds}"
        return final_folder(self.folder) / "repeats" / kind / f"{trial:04d}" / f"{number:02d}"

    def recorded(self, record: TrialRecord, number: int) -> TrialRecord | None:
        """The record of an earlier run's repetition; None where there is none, or it was of something else.

        Raises:
            RecordError: there is one, and it cannot be read.
        """
        place = self.place(record.number, number)
        if not (place / RECORD_FILE).is_file():
            return None
        found = read_record(place)
        wanted = dataclasses.replace(record.config, seed=derive(self.seed, Purpose.REPEAT, number))
        if found.config != wanted:
            raise RecordError(
                f"{place / RECORD_FILE}: the repetition of another configuration of trial {record.number}; "
                f"remove {final_folder(self.folder) / 'repeats'} to begin anew"
            )
        return found


def train_repeat(task: Task, on_epoch: OnEpoch) -> TrialResult:
    """Train a repetition; runs in a child process and writes no model.

    Raises:
        TrialFailure: for a known cause.
        DataError: the images cannot be read.
        TypeError: the task has no split of its own.
    """
    if not isinstance(task, RepeatTask):
        raise TypeError(f"expected a RepeatTask, received {task!r}")
    # Not at the top: the supervisor imports this module too, and it must not import TensorFlow.
    from sweep.training.train import train

    return train(task.config, load_split(task.prepared, task.config.data, task.split), on_epoch)
