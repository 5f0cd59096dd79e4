"""An open study: it returns the next trial, and stores results in its SQLite file and in the trial records."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from sweep.errors import RecordError
from sweep.records.disk import disk_errors
from sweep.records.seeds import Purpose, derive
from sweep.records.study_records import DATABASE, read_records
from sweep.records.trial_record import TrialRecord, read_record, trial_folder, write_record
from sweep.records.trial_result import EpochMetrics
from sweep.space.config import TrialConfig
from sweep.space.parameters import Values
from sweep.space.space import Space
from sweep.study.failure_policies import is_infeasible
from sweep.study.optuna_parameters import suggest, to_optuna
from sweep.study.pruners import make_pruner
from sweep.study.record_backups import keep_copy
from sweep.study.samplers import make_sampler
from sweep.study.storage import storage_errors

_FIXED = "fixed_params"
"""The system attribute in which `Study.enqueue_trial` stores the values that a trial must use."""


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
    """An open study. `open_study` creates it; only one process at a time writes to a study."""

    def __init__(self, folder: Path, space: Space, handle: optuna.Study, threads: int) -> None:
        self.folder = folder
        self.name = folder.name
        self.space = space
        self._handle = handle
        self._threads = threads
        self._trials: dict[int, optuna.Trial] = {}
        handle.pruner = make_pruner(space.search.pruner, space.epochs)
        handle.sampler = make_sampler(space.search, 0)  # not used, but fails early if a package is missing
        self._interrupted = [trial for trial in self._stored((TrialState.RUNNING,)) if not self._settle(trial)]

    def _settle(self, stored: FrozenTrial) -> bool:
        """Tell Optuna the result of a trial that ended before its supervisor was killed; False if it had not ended."""
        record = _record(trial_folder(self.folder, stored.number))
        if record is None or record.state in ("running", "interrupted"):
            return False
        with storage_errors(self.folder / DATABASE):
            self._tell(optuna.Trial(self._handle, stored._trial_id), record)
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
            return self._pending(self._handle.ask(), None)

    def _resume(self, stored: FrozenTrial) -> PendingTrial:
        earlier = _record(trial_folder(self.folder, stored.number))
        # The seed that `next` used: trial n started after n others. Enqueued trials may not, but they need no seed.
        sampler = make_sampler(self.space.search, stored.number)
        if earlier is None and not _is_drawn(stored, self.space):
            return self._pending(_propose_again(self._handle, stored, sampler, self.space), None)
        self._handle.sampler = sampler
        return self._pending(optuna.Trial(self._handle, stored._trial_id), earlier)

    def _pending(self, trial: optuna.Trial, earlier: TrialRecord | None) -> PendingTrial:
        threads = earlier.config.threads if earlier else self._threads  # another number of threads changes the weights
        values = self.space.suggest(functools.partial(suggest, trial))
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
        """Report a finished epoch; True if the pruner would end the trial here.

        Raises:
            StudyError: the database fails.
        """
        trial = self._trials[number]
        with storage_errors(self.folder / DATABASE):
            stored = self._handle._storage.get_trial(trial._trial_id).intermediate_values
            if metrics.epoch not in stored:
                trial.report(metrics.value(self.space.search.objective), step=metrics.epoch)
            # The pruner judges the last stored epoch. A resumed trial may repeat earlier ones, which are not judged.
            return metrics.epoch >= max(stored, default=0) and bool(trial.should_prune())  # it can be a numpy.bool

    def save(self, record: TrialRecord) -> None:
        """Write a trial's record.

        Raises:
            DiskError: it cannot be written.
        """
        folder = trial_folder(self.folder, record.number)
        with disk_errors(folder):
            write_record(folder, record)

    def finish(self, record: TrialRecord) -> None:
        """Write the record of a trial that has ended, and tell Optuna its result.

        Raises:
            DiskError: the record cannot be written.
            StudyError: the database fails.
        """
        self.save(record)
        keep_copy(self.folder, record)
        with storage_errors(self.folder / DATABASE):
            self._tell(self._trials.pop(record.number), record)

    def _tell(self, trial: optuna.Trial, record: TrialRecord) -> None:
        trial.set_user_attr("state", record.state)
        trial.set_user_attr("reason", record.reason)
        if record.state == "complete":
            self._handle.tell(trial, record.objective_value)
        elif record.state == "pruned":
            self._handle.tell(trial, state=TrialState.PRUNED)
        elif is_infeasible(record.reason, self.space.search.failures):
            # Not FAIL: the sampler ignores it, but ranks a pruned trial with a violated constraint below all others.
            trial.set_constraint(record.reason, 1.0)
            self._handle.tell(trial, state=TrialState.PRUNED)
        else:
            self._handle.tell(trial, state=TrialState.FAIL)

    def count_started(self) -> int:
        """Return the number of trials that have ever started, which `--trials` limits."""
        return len(self._stored((TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)))

    def interrupted_trials(self) -> tuple[int, ...]:
        """Return the numbers of the interrupted trials that `next` will return first."""
        return tuple(trial.number for trial in self._interrupted)

    def _stored(self, states: Iterable[TrialState]) -> list[FrozenTrial]:
        with storage_errors(self.folder / DATABASE):
            return self._handle.get_trials(deepcopy=False, states=tuple(states))

    def records(self) -> list[TrialRecord]:
        """Return the records of all trials, by number."""
        return read_records(self.folder)


def _is_drawn(stored: FrozenTrial, space: Space) -> bool:
    """True if all values of the trial had been drawn when the supervisor was killed."""
    try:
        space.suggest(lambda parameter: stored.params[parameter.name])
    except KeyError:
        return False
    return True


def _propose_again(handle: optuna.Study, interrupted: FrozenTrial, sampler: BaseSampler, space: Space) -> optuna.Trial:
    """Return a trial that was killed while its values were drawn, with the values that it would have received.

    Drawing only the missing values would give different values, because a new sampler starts with its first
    random number. So all values are drawn again, in an in-memory study that contains copies of the earlier trials.

    Args:
        handle: the study.
        interrupted: the killed trial; all trials with a higher number are WAITING.
        sampler: created with the same seed as the one that first drew this trial's values.
        space: the study's space.
    """
    shadow = optuna.create_study(
        study_name=handle.study_name, direction=handle.direction, sampler=sampler, pruner=handle.pruner
    )
    for trial in handle.get_trials(deepcopy=False):
        if trial.number < interrupted.number and trial.state != TrialState.WAITING:
            shadow.add_trial(trial)
    for key, value in handle._storage.get_study_system_attrs(handle._study_id).items():
        shadow._storage.set_study_system_attr(shadow._study_id, key, value)
    if _FIXED in interrupted.system_attrs:
        shadow.enqueue_trial(interrupted.system_attrs[_FIXED])
    values = space.suggest(functools.partial(suggest, shadow.ask()))
    handle._storage.set_trial_system_attr(interrupted._trial_id, _FIXED, values)
    return optuna.Trial(handle, interrupted._trial_id)


def _record(folder: Path) -> TrialRecord | None:
    """Return the record of a trial; None if it cannot be read or was never written."""
    try:
        return read_record(folder)
    except RecordError:
        return None
