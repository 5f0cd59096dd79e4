"""A repeat of a finalist: its configuration with the seed and split of a round. A repeat is recorded like a trial."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from sweep.data.cache import Prepared
from sweep.data.loading import Split, load_split
from sweep.errors import RecordError
from sweep.execution.executor import Task
from sweep.records.final_result import final_folder
from sweep.records.held_file import HeldFile
from sweep.records.seeds import Purpose, derive
from sweep.records.trial_record import RECORD_FILE, TrialRecord, read_record
from sweep.records.trial_result import OnEpoch, TrialResult
from sweep.space.config import TrialConfig


@dataclass(frozen=True, kw_only=True)
class RepeatTask(Task):
    """A task with the split of its round instead of the split of the search."""

    split: Split


@dataclass(frozen=True)
class RepeatPlan:
    """The seed and the split of each round, the same for all finalists. Rounds are numbered from 1.

    Attributes:
        folder: the study's folder.
        seed: the study's seed.
        folds: number of folds of a cross-validation; each round holds out one. None for a new split in each round.
        lock: the file of the study's lock, which this process holds.
    """

    folder: Path
    seed: int
    folds: int | None
    lock: HeldFile

    def split(self, number: int) -> Split:
        """Return the split of a round. Each pass over the folds shuffles the images again."""
        if self.folds is None:
            return Split(derive(self.seed, Purpose.RESPLIT, number))
        turn, fold = divmod(number - 1, self.folds)
        return Split(derive(self.seed, Purpose.FOLDS, turn), self.folds, fold)

    def task(self, record: TrialRecord, number: int, prepared: Prepared) -> RepeatTask:
        """Return the task that trains a finalist in a round."""
        return RepeatTask(
            number=record.number,
            config=self._config(record, number),
            prepared=prepared,
            folder=self.place(record.number, number),
            held=(self.lock,),
            split=self.split(number),
        )

    def _config(self, record: TrialRecord, number: int) -> TrialConfig:
        return dataclasses.replace(record.config, seed=derive(self.seed, Purpose.REPEAT, number))

    def place(self, trial: int, number: int) -> Path:
        """Return the folder of a trial's repeat: `studies/NAME/final/repeats/splits/0007/03` or `…/folds-5/0007/03`."""
        kind = "splits" if self.folds is None else f"folds-{self.folds}"
        return final_folder(self.folder) / "repeats" / kind / f"{trial:04d}" / f"{number:02d}"

    def recorded(self, record: TrialRecord, number: int) -> TrialRecord | None:
        """Return the record of a finalist's repeat; None if it has not been trained.

        Raises:
            RecordError: the record cannot be read, or is of another configuration.
        """
        place = self.place(record.number, number)
        if not (place / RECORD_FILE).is_file():
            return None
        found = read_record(place)
        if found.config != self._config(record, number):
            raise RecordError(
                f"{place / RECORD_FILE}: this repeat has another configuration than trial {record.number}; "
                f"remove {final_folder(self.folder) / 'repeats'} to start again"
            )
        return found


def train_repeat(task: Task, on_epoch: OnEpoch) -> TrialResult:
    """Train a repeat. Runs in a child process and writes no model.

    Raises:
        TrialFailure: the training failed for a known cause.
        DataError: the images cannot be read.
        TypeError: the task has no split.
    """
    if not isinstance(task, RepeatTask):
        raise TypeError(f"expected a RepeatTask, received {task!r}")
    # Not imported at the top: the supervisor imports this module too, and must not import TensorFlow.
    from sweep.training.train import train

    return train(task.config, load_split(task.prepared, task.config.data, task.split), on_epoch)
