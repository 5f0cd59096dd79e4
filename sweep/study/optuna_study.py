"""An open study: it returns the next trial, and stores results in its SQLite file and in the trial records."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from sweep.errors import RecordError
from sweep.records.disk import disk_errors
from sweep.records.seeds import Purpose, derive
from sweep.records.study_records import DATABASE, read_records
from sweep.records.trial_record import TrialRecord, has_ended, read_record, trial_folder, write_record
from sweep.records.trial_result import EpochMetrics
from sweep.space.config import TrialConfig
from sweep.space.parameters import Values
from sweep.space.space import Space
from sweep.study.frozen_trials import optuna_state, violated_constraints
from sweep.study.optuna_parameters import suggest, to_optuna
from sweep.study.pruners import make_pruner
from sweep.study.record_backups import restore_records, write_copy
from sweep.study.samplers import make_sampler
from sweep.study.storage import storage_errors
from sweep.study.working_copy import WorkingCopy


@dataclass(frozen=True)
class PendingTrial:
    """A trial that is ready to run.

    Attributes:
        origin: the start point that its values come from; None if the sampler chose them.
        earlier: the trial's record from an interrupted run; None for a new trial.
    """

    number: int
    values: Values
    config: TrialConfig
    origin: str | None
    earlier: TrialRecord | None


class OptunaStudy:
    """An open study. `open_study` creates it; only one process at a time writes to a study.

    Everything that happens is first noted in the working copy. `next` and `save` write it to the database.

    Attributes:
        repairs: a sentence per record that was damaged or missing when the study was opened.
    """

    def __init__(
        self, folder: Path, space: Space, copy: WorkingCopy, threads: int, record_copies: Mapping[int, bytes]
    ) -> None:
        self.folder = folder
        self.name = folder.name
        self.space = space
        self._copy = copy
        self._handle = handle = optuna.load_study(study_name=folder.name, storage=copy)
        self._threads = threads
        self._trials: dict[int, optuna.Trial] = {}
        handle.pruner = make_pruner(space.search.pruner, space.epochs)
        handle.sampler = make_sampler(space.search, 0)  # not used, but fails early if a package is missing
        running = self._stored((TrialState.RUNNING,))
        self.repairs = restore_records(folder, [trial.number for trial in running], record_copies)
        self._interrupted = [trial for trial in running if not self._settle(trial)]

    def _settle(self, stored: FrozenTrial) -> bool:
        """Tell Optuna the result of a trial that has ended according to its record; False if it has not ended.

        Versions that wrote the record before the database leave such trials when they are killed between the two.
        """
        record = _record(trial_folder(self.folder, stored.number))
        if record is None or not has_ended(record):
            return False
        self._tell(optuna.Trial(self._handle, stored._trial_id), record)
        self._commit(record)
        return True

    def next(self, total: int) -> PendingTrial | None:
        """Return the next trial, interrupted ones first; None if there are `total` trials, or no more points in a grid.

        Raises:
            StudyError: the database fails.
        """
        with storage_errors(self.folder / DATABASE):
            if self._interrupted:
                return self._resume(self._interrupted.pop(0))
            started = self.count_started()
            if started >= total or not self._has_more_points():
                return None
            self._handle.sampler = make_sampler(self.space.search, started)
            with self._shown_trials():
                return self._pending(self._handle.ask(), None)

    def _shown_trials(self) -> AbstractContextManager[None]:
        """Limit the trials that the sampler reads, except for CMA-ES, which continues from the state in its trials."""
        return nullcontext() if self.space.search.sampler == "cmaes" else self._copy.fewer_trials()

    def _resume(self, stored: FrozenTrial) -> PendingTrial:
        earlier = _record(trial_folder(self.folder, stored.number))
        # The seed that `next` used: trial n started after n others. Enqueued trials may not, but they need no seed.
        self._handle.sampler = make_sampler(self.space.search, stored.number)
        return self._pending(optuna.Trial(self._handle, stored._trial_id), earlier)

    def _pending(self, trial: optuna.Trial, earlier: TrialRecord | None) -> PendingTrial:
        threads = earlier.config.threads if earlier else self._threads  # another number of threads changes the weights
        values = self.space.suggest(functools.partial(suggest, trial))
        self._commit()
        self._trials[trial.number] = trial
        seed = derive(self.space.search.seed, Purpose.TRIAL, trial.number)
        return PendingTrial(
            number=trial.number,
            values=values,
            config=self.space.config(values, seed=seed, threads=threads),
            origin=trial.user_attrs.get("origin"),
            earlier=earlier,
        )

    def _has_more_points(self) -> bool:
        """True if there is another point to try. Only a grid can have none left; its next point is enqueued here."""
        if self.space.search.sampler != "grid" or self.space.is_recipe or self._stored((TrialState.WAITING,)):
            return True
        tried = {frozenset(trial.params.items()) for trial in self._handle.get_trials(deepcopy=False)}
        points = (to_optuna(self.space, values) for values in self.space.grid())
        point = next((values for values in points if frozenset(values.items()) not in tried), None)
        if point is not None:
            self._handle.enqueue_trial(point)
        return point is not None

    def report(self, number: int, metrics: EpochMetrics) -> bool:
        """Note a finished epoch, which `save` then writes; True if the pruner would end the trial here."""
        trial = self._trials[number]
        reported = self._copy.get_trial(trial._trial_id).intermediate_values
        if metrics.epoch not in reported:
            trial.report(metrics.value(self.space.search.objective), step=metrics.epoch)
        # The pruner judges the last reported epoch. A resumed trial may repeat earlier ones, which are not judged.
        return metrics.epoch >= max(reported, default=0) and bool(trial.should_prune())  # it can be a numpy.bool

    def save(self, record: TrialRecord) -> None:
        """Write everything new about a trial: first to the database, which also keeps the record, then to `trial.json`.

        Raises:
            StudyError: the database fails, or the study's folder was moved.
            DiskError: the disk fails.
        """
        self._commit(record)
        self.check_folder()
        folder = trial_folder(self.folder, record.number)
        with disk_errors(folder):
            # While a trial trains, its record is not synced: after a power cut it is restored from the database.
            write_record(folder, record, durable=record.state != "running" or not record.epochs)

    def check_folder(self) -> None:
        """Raise StudyError if the study's path leads to another folder than the locked one."""
        self._copy.check_folder()

    def close(self) -> None:
        """Close the database; the study can then only be read."""
        self._copy.close()

    @property
    def has_failed(self) -> bool:
        """True if a write to the database has failed; then nothing more can be written."""
        return self._copy.has_failed

    def _commit(self, *records: TrialRecord) -> None:
        with storage_errors(self.folder / DATABASE), self._copy.commit() as connection:
            for record in records:
                write_copy(connection, record)

    def finish(self, record: TrialRecord) -> None:
        """Tell Optuna the result of a trial that has ended, and save its record; for the errors see `save`."""
        self._tell(self._trials.pop(record.number), record)
        self.save(record)

    def _tell(self, trial: optuna.Trial, record: TrialRecord) -> None:
        trial.set_user_attr("state", record.state)
        trial.set_user_attr("reason", record.reason)
        for name, violation in violated_constraints(record, self.space).items():
            trial.set_constraint(name, violation)
        value = record.objective_value if record.state == "complete" else None
        self._handle.tell(trial, value, state=optuna_state(record, self.space))

    def count_started(self) -> int:
        """Return the number of trials that have ever started, which `--trials` limits."""
        return len(self._stored((TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)))

    def interrupted_trials(self) -> tuple[int, ...]:
        """Return the numbers of the interrupted trials that `next` will return first."""
        return tuple(trial.number for trial in self._interrupted)

    def _stored(self, states: Iterable[TrialState]) -> list[FrozenTrial]:
        return self._copy.get_all_trials(0, deepcopy=False, states=tuple(states))

    def records(self) -> list[TrialRecord]:
        """Return the records of all trials, by number."""
        return read_records(self.folder)


def is_drawn(trial: FrozenTrial, space: Space) -> bool:
    """True if the trial has all its values."""
    try:
        space.suggest(lambda parameter: trial.params[parameter.name])
    except KeyError:
        return False
    return True


def _record(folder: Path) -> TrialRecord | None:
    """Return the record of a trial; None if it cannot be read or was never written."""
    try:
        return read_record(folder)
    except RecordError:
        return None
