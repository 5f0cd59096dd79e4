"""The supervisor's loop: ask the study for trials, have them trained, report, prune, record. Imports no TensorFlow."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from sweep.analysis.record_comparison import DuplicateModels
from sweep.data.cache import Prepared
from sweep.errors import DiskError, SweepStopped, TrialFailure
from sweep.execution.executor import Executor, Outcome, Task
from sweep.execution.live_trial import LiveTrial, failure_text
from sweep.execution.start_order import Cost, TrialQueue
from sweep.execution.workers import Usage
from sweep.records.checkpoint import remove_checkpoints
from sweep.records.disk import disk_errors, trial_disk_error
from sweep.records.held_file import HeldFile
from sweep.records.image_facts import DataStamp
from sweep.records.trial_record import TrialRecord, diagnosed, has_ended, read_record, time_text, trial_folder
from sweep.records.trial_result import EpochMetrics, TrialResult
from sweep.study.failure_policies import decide
from sweep.study.optuna_study import OptunaStudy, PendingTrial
from sweep.study.pruners import is_audited, may_prune

Observer = Callable[[TrialRecord, int], None]
"""Receives a trial's record and worker at every change: at the trial's start, after every epoch, at its end."""

POLL_SECONDS = 0.5
"""Maximum time until the loop notices a stop request."""
SAME_BUG = 3
"""Number of equal tracebacks in a row after which the sweep stops, because the sampled values are not the cause."""


@dataclass(frozen=True)
class TrialSetting:
    """What all trials of a run share.

    Attributes:
        prepared: the decoded images in the cache.
        stamp: identifies the images that the trials use.
        environment: versions, platform and flags, for the records.
        held: files by which a child recognizes the study's folder; see `Task`.
    """

    prepared: Prepared
    stamp: DataStamp
    environment: Mapping[str, str]
    held: tuple[HeldFile, ...] = ()


class Supervisor:
    """Runs the trials of a study.

    Args:
        study: an open study whose lock this process holds.
        executor: the executor that trains the trials.
        setting: the images and the environment of all trials.
        observers: functions that receive every change; see `Observer`.
        cost: estimates how long trials take, so that the longest of the last trials of a run start first.
    """

    def __init__(
        self,
        study: OptunaStudy,
        executor: Executor,
        setting: TrialSetting,
        observers: Sequence[Observer],
        cost: Cost | None = None,
    ) -> None:
        self._study = study
        self._search = study.space.search
        self._queue = TrialQueue(study, executor.workers, cost)
        self._executor = executor
        self._setting = setting
        self._observers = observers
        self._live: dict[int, LiveTrial] = {}
        self._bugs: deque[str] = deque(maxlen=SAME_BUG)
        self._duplicates = DuplicateModels(())
        self.usage = Usage(executor.workers)

    def run(self, total: int, stop: Callable[[], bool] = lambda: False) -> bool:
        """Run trials until the study has `total` trials or `stop` returns True.

        Returns:
            True if all trials ran; False if `stop` ended the run. The trials that were running are then interrupted.

        Raises:
            SweepStopped: the same traceback came three times in a row, or a failure policy is `stop`.
            DiskError: the disk is full or cannot be written.
            StudyError: the study's database fails.
        """
        started = time.perf_counter()
        more = True
        self._read_earlier_trials()
        try:
            while more or self._live:
                if stop():
                    return False
                more = more and self._fill_workers(total)
                for outcome in self._executor.wait(POLL_SECONDS if self._live else 0):
                    # The signal of a closed terminal or a stopped service reaches the children too and may end one of
                    # them. That child's trial has not failed: it stays live here, and is recorded as interrupted.
                    was_killed = isinstance(outcome.ended, TrialFailure) and outcome.ended.cause == "killed"
                    if not (was_killed and stop()):
                        self._end(outcome)
                self.usage.wall_seconds = time.perf_counter() - started
        finally:
            self._executor.close()
            self._interrupt_live_trials()
        return True

    def _read_earlier_trials(self) -> None:
        """Note earlier models, to find duplicates; remove checkpoints that a killed supervisor left in ended trials."""
        records = self._study.records()
        self._duplicates = DuplicateModels(records)
        self._study.check_folder()
        for record in records:
            if has_ended(record):
                remove_checkpoints(trial_folder(self._study.folder, record.number))

    def _fill_workers(self, total: int) -> bool:
        """Start trials on free workers; False if there are no more trials."""
        while len(self._live) < self._executor.workers:
            pending = self._queue.next(total)
            if pending is None:
                return False
            self._start(pending)
        return True

    def _start(self, pending: PendingTrial) -> None:
        record = self._first_record(pending)
        self._study.save(record)
        trial = self._live[pending.number] = LiveTrial(record, at_start=record)
        self._submit(trial)
        self._notify(trial)

    def _first_record(self, pending: PendingTrial) -> TrialRecord:
        """Return a new trial's record, or for an interrupted trial its earlier record with the state `running`."""
        new = TrialRecord(
            study=self._study.name,
            number=pending.number,
            state="running",
            config=pending.config,
            values=pending.values,
            data=self._setting.stamp,
            environment=self._setting.environment,
            started=time_text(),
            origin=pending.origin,
        )
        if pending.earlier is None:
            return new
        now = {name: getattr(new, name) for name in ("state", "reason", "config", "values", "data", "environment")}
        return replace(pending.earlier, **now)

    def _submit(self, trial: LiveTrial) -> None:
        record = trial.record
        folder = trial_folder(self._study.folder, record.number)
        task = Task(record.number, record.config, self._setting.prepared, folder, self._setting.held)
        trial.worker = self._executor.submit(task, lambda metrics: self._on_epoch(trial, metrics))

    def _on_epoch(self, trial: LiveTrial, metrics: EpochMetrics) -> bool:
        """Record an epoch; True if the trial is pruned at this epoch.

        A resumed trial reports all epochs again. An epoch that is already recorded gets the same answer as before.
        """
        recorded = trial.recorded(metrics.epoch)
        if recorded != metrics:  # equal if the epoch is only reported again; if it is trained again, its seconds differ
            self.usage.fit_seconds += metrics.seconds
            self.usage.images += self._setting.stamp.train
        if recorded is not None and replace(recorded, seconds=metrics.seconds) == metrics:
            return trial.record.pruned_at == metrics.epoch
        record = trial.with_epoch(metrics)
        pruner, limit = self._search.pruner, record.config.training.epochs
        if self._study.report(record.number, metrics) and may_prune(pruner, record.epochs, limit):
            if is_audited(pruner, self._search.seed, record.number):
                record = replace(record, audited_at=record.audited_at or metrics.epoch)
            else:
                record = replace(record, pruned_at=metrics.epoch)
        trial.record = record
        self._study.save(record)
        self._notify(trial)
        return record.pruned_at == metrics.epoch

    def _end(self, outcome: Outcome) -> None:
        """Finish a trial, run it again or stop the sweep, according to its result and the failure policies."""
        trial, ended = self._live[outcome.number], outcome.ended
        if isinstance(ended, TrialResult):
            if not trial.at_start.epochs:
                self.usage.fit_seconds += max(0.0, ended.fit_seconds - sum(epoch.seconds for epoch in ended.epochs))
            record = trial.with_result(ended, self._search.pruner.name)
            self._finish(trial, self._duplicates.flagged(record))
        else:
            self._end_failed(trial, ended)
        self._remember_bug(ended)

    def _end_failed(self, trial: LiveTrial, failure: TrialFailure) -> None:
        self._study.check_folder()  # a child fails if the study's folder is moved or removed
        disk_error = trial_disk_error(self._study.folder, failure_text(failure))
        if disk_error is not None:
            raise disk_error  # the disk is the cause, not the trial; the trial is recorded as interrupted
        action = decide(failure.cause, self._search.failures, trial.retries_without_progress())
        if action == "stop":
            raise SweepStopped(
                f"trial {trial.record.number} failed ({failure.cause}): {failure_text(failure)}\n"
                f"The sweep stops because of `search.failures.{failure.cause}: stop`. Fix the cause and run the same "
                "command again to resume this trial"
            )
        if action == "retry":
            trial.retries += 1
            self._study.save(trial.record)  # makes the trial's folder again, if it is missing
            self._submit(trial)
        else:
            self._finish(trial, trial.with_failure(failure, action))

    def _finish(self, trial: LiveTrial, record: TrialRecord) -> None:
        del self._live[record.number]
        timings = {**record.timings, "total": trial.seconds}
        trial.record = diagnosed(replace(record, finished=time_text(), timings=timings))
        self._study.finish(trial.record)
        remove_checkpoints(trial_folder(self._study.folder, record.number))
        self._notify(trial)

    def _remember_bug(self, ended: TrialResult | TrialFailure) -> None:
        if not isinstance(ended, TrialFailure) or ended.cause != "bug":
            self._bugs.clear()
            return
        self._bugs.append(ended.traceback)
        if len(self._bugs) == SAME_BUG and len(set(self._bugs)) == 1:
            raise SweepStopped(
                f"the last {SAME_BUG} trials failed in the same way, so the sweep stops:\n{ended.traceback.rstrip()}"
            )

    def _interrupt_live_trials(self) -> None:
        """Record the running trials as interrupted; the study returns them first when it is opened again."""
        for _, trial in sorted(self._live.items()):
            trial.record = replace(trial.record, state="interrupted", reason="interrupted")
            # After a failure, the error that stops the sweep is already being raised. A record that stays `running`
            # does no harm: while no process holds the study's lock, it counts as `interrupted`.
            if not self._study.has_failed:
                with suppress(DiskError):
                    self._study.save(trial.record)
            self._notify(trial)
        self._live.clear()

    def _notify(self, trial: LiveTrial) -> None:
        for observer in self._observers:
            observer(trial.record, trial.worker)


def keep_best_models(study: OptunaStudy, ranking: Sequence[TrialRecord], keep: int) -> None:
    """Remove the model files of all but the best trials; `reproduce` can make them again.

    Raises:
        DiskError: a file cannot be removed or a record cannot be written.
        StudyError: the study's database fails.
    """
    for record in ranking[keep:]:
        folder = trial_folder(study.folder, record.number)
        if record.model_file and (folder / record.model_file).is_file():
            study.save(replace(read_record(folder), model_file=None))  # first: a kill leaves a file that is not named
            with disk_errors(folder):
                (folder / record.model_file).unlink()
