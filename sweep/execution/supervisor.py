"""The supervisor's loop: ask the study for points, have them trained, report, prune, record. Knows no TensorFlow."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from sweep.analysis.record_comparison import DuplicateModels
from sweep.data.cache import Prepared
from sweep.errors import DiskError, SweepStopped, TrialFailure
from sweep.execution.executor import Executor, Outcome, Task
from sweep.execution.start_order import Cost, TrialQueue
from sweep.execution.usage import Usage
from sweep.records.checkpoint import remove_checkpoints
from sweep.records.disk import disk_errors, trial_disk_error
from sweep.records.image_facts import DataStamp
from sweep.records.trial_record import TrialRecord, diagnosed, read_record, trial_folder, write_record
from sweep.records.trial_result import EpochMetrics, TrialResult, best_epoch
from sweep.study.failure_policies import Action, Retries, decide, policy_of
from sweep.study.optuna_study import Assignment, OptunaStudy
from sweep.study.pruner_vetoes import is_audited, may_prune

Observer = Callable[[TrialRecord, int], None]
"""Told of every change of a trial, with the worker that runs it: at its start, after every epoch, at its end."""

POLL_SECONDS = 0.5
"""How long a stop request may wait for the loop to notice it."""
SAME_BUG = 3
"""So many equal tracebacks in a row stop the sweep: the fault is not in the sampled points."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all trials of a run share.

    Attributes:
        prepared: where the decoded images are.
        stamp: which images a trial sees.
        environment: of the records.
    """

    prepared: Prepared
    stamp: DataStamp
    environment: Mapping[str, str]


class Supervisor:
    """One run over a study.

    Args:
        study: open and locked.
        executor: trains.
        setting: what the trials share.
        observers: see `Observer`.
        cost: lets the longest of the last trials begin first; see `TrialQueue`.
    """

    def __init__(
        self,
        study: OptunaStudy,
        executor: Executor,
        setting: Setting,
        observers: Sequence[Observer],
        cost: Cost | None = None,
    ) -> None:
        self._study = study
        self._queue = TrialQueue(study, executor.workers, cost)
        self._executor = executor
        self._setting = setting
        self._observers = observers
        self._running: dict[int, TrialRecord] = {}
        self._worker: dict[int, int] = {}
        self._begun: dict[int, float] = {}
        self._before: dict[int, TrialRecord] = {}
        self._retries = Retries()
        self._bugs: deque[str] = deque(maxlen=SAME_BUG)
        self._duplicates = DuplicateModels(())
        self.usage = Usage(executor.workers)

    def run(self, total: int, stop: Callable[[], bool] = lambda: False) -> bool:
        """Run trials until the study has `total`, or `stop` says so.

        Returns:
            True if everything was run; False if it was stopped, with the running trials given back to the study.

        Raises:
            SweepStopped: the same traceback came three times in a row, or a policy says so.
            DiskError: the disk is full or cannot be written.
            StudyError: the study's database fails.
        """
        begun = time.perf_counter()
        more = True
        self._look_back()
        try:
            while more or self._running:
                if stop():
                    return False
                more = more and self._fill(total)
                for outcome in self._executor.wait(POLL_SECONDS if self._running else 0):
                    # Ctrl-C, a closed terminal or a stopped service end the children too, perhaps before they can be
                    # asked to: such a trial stays among the running ones and is given back.
                    if not (_killed(outcome) and stop()):
                        self._end(outcome)
                self.usage.wall_seconds = time.perf_counter() - begun
        finally:
            self._executor.close()
            self._give_back()
        return True

    def _fill(self, total: int) -> bool:
        """Start trials on free workers; False when there are no more."""
        while len(self._running) < self._executor.workers:
            assignment = self._queue.next(total)
            if assignment is None:
                return False
            self._start(assignment)
        return True

    def _look_back(self) -> None:
        """Know the models of earlier trials; remove what is left of those that ended just before a kill."""
        records = self._study.records()
        self._duplicates = DuplicateModels(records)
        for record in records:
            if record.state not in ("running", "interrupted"):
                remove_checkpoints(trial_folder(self._study.folder, record.number))

    def _start(self, assignment: Assignment) -> None:
        record = self._begin_record(assignment)
        self._study.save(record)
        self._before[assignment.number] = record
        self._running[assignment.number] = record
        self._begun[assignment.number] = time.perf_counter()
        self._submit(record)
        self._tell(record)

    def _begin_record(self, assignment: Assignment) -> TrialRecord:
        """A new trial's first record; of one that goes on the record that it had, with all its epochs."""
        new = TrialRecord(
            study=self._study.name,
            number=assignment.number,
            state="running",
            config=assignment.config,
            values=assignment.values,
            data=self._setting.stamp,
            environment=self._setting.environment,
            started=_now(),
            origin=assignment.origin,
        )
        before = assignment.before
        if before is None:
            return new
        return dataclasses.replace(
            new,
            started=before.started,
            epochs=before.epochs,
            best_epoch=before.best_epoch,
            objective_value=before.objective_value,
            audited_at=before.audited_at,
            pruned_at=before.pruned_at,
            timings=before.timings,
        )

    def _submit(self, record: TrialRecord) -> None:
        number = record.number
        folder = trial_folder(self._study.folder, number)
        task = Task(number, record.config, self._setting.prepared, folder)
        self._worker[number] = self._executor.submit(task, lambda metrics: self._epoch(number, metrics))

    def _epoch(self, number: int, metrics: EpochMetrics) -> bool:
        """Record an epoch; True if the trial is pruned here.

        A trial that goes on tells its epochs again, from the first: those on record change nothing, and what was
        decided then still holds.
        """
        before = self._running[number]
        if before.epochs[metrics.epoch - 1 : metrics.epoch] != (metrics,):  # told again, it would have the same seconds
            self.usage.fit_seconds += metrics.seconds
            self.usage.images += self._setting.stamp.train
        if _on_record(before, metrics):
            return before.pruned_at == metrics.epoch
        record = self._with_epoch(before, metrics)
        search = self._study.space.search
        prune = self._study.report(number, metrics) and may_prune(
            search.pruner, record.epochs, record.config.training.epochs
        )
        if prune and is_audited(search.pruner, search.seed, number):
            record = dataclasses.replace(record, audited_at=record.audited_at or metrics.epoch)
            prune = False
        if prune:
            record = dataclasses.replace(record, pruned_at=metrics.epoch)
        self._running[number] = record
        self._study.save(record)
        self._tell(record)
        return prune

    def _with_epoch(self, record: TrialRecord, metrics: EpochMetrics) -> TrialRecord:
        """With its newest epoch; in place of what was on record of it and those after it, if it came out otherwise."""
        epochs = (*record.epochs[: metrics.epoch - 1], metrics)
        best = best_epoch(epochs, record.config.objective)
        return dataclasses.replace(
            record,
            epochs=epochs,
            best_epoch=best.epoch,
            objective_value=best.value(record.config.objective),
            pruned_at=None,
            timings={"total": self._seconds(record.number)},
        )

    def _seconds(self, number: int) -> float:
        """Spent on a trial, that of earlier runs included as far as it is on record."""
        before = self._before[number].timings.get("total", 0.0)
        return before + time.perf_counter() - self._begun[number]

    def _end(self, outcome: Outcome) -> None:
        """Finish a trial, or run it again, or stop: what the study's policy says of its end."""
        number, ended = outcome.number, outcome.ended
        if isinstance(ended, TrialResult):
            self._finish(number, ended, "fail")
            return
        full = trial_disk_error(self._study.folder, failure_text(ended))
        if full is not None:
            raise full  # says nothing of the trial, which is given back
        retries = self._retries.in_vain(number, len(self._running[number].epochs))
        action = decide(ended.cause, policy_of(ended.cause, self._study.space.search.failures), retries)
        if action == "stop":
            raise SweepStopped(_stopped(number, ended))
        if action == "retry":
            self._retries.made(number)
            self._submit(self._running[number])
            self._remember_bug(ended)
        else:
            self._finish(number, ended, action)

    def _finish(self, number: int, ended: TrialResult | TrialFailure, action: Action) -> None:
        record = self._running.pop(number)
        if isinstance(ended, TrialResult):
            record = self._duplicates.flagged(_with_result(record, ended, self._study.space.search.pruner.name))
            if not self._before[number].epochs:
                self.usage.fit_seconds += max(0.0, ended.fit_seconds - sum(one.seconds for one in ended.epochs))
        else:
            record = _with_failure(record, ended, action)
        timings = {**record.timings, "total": self._seconds(number)}
        record = diagnosed(dataclasses.replace(record, finished=_now(), timings=timings))
        self._study.finish(record)
        remove_checkpoints(trial_folder(self._study.folder, number))
        self._tell(record)
        self._forget(number)
        self._remember_bug(ended)

    def _forget(self, number: int) -> None:
        for known in (self._worker, self._begun, self._before):
            known.pop(number)
        self._retries.forget(number)

    def _remember_bug(self, ended: TrialResult | TrialFailure) -> None:
        if not isinstance(ended, TrialFailure) or ended.cause != "bug":
            self._bugs.clear()
            return
        self._bugs.append(ended.traceback)
        if len(self._bugs) == SAME_BUG and len(set(self._bugs)) == 1:
            raise SweepStopped(
                f"the last {SAME_BUG} trials failed in the same way, so the sweep stops:\n{ended.traceback.rstrip()}"
            )

    def _give_back(self) -> None:
        """Mark what was running; the study gives these trials out first when it is opened again."""
        for number in sorted(self._running):
            record = dataclasses.replace(self._running[number], state="interrupted", reason="interrupted")
            # Where the disk is full, that error is on its way already; a record that says `running` while nobody holds
            # the study means the same.
            with suppress(DiskError):
                self._study.save(record)
            self._tell(record)
        self._running.clear()

    def _tell(self, record: TrialRecord) -> None:
        for observer in self._observers:
            observer(record, self._worker.get(record.number, 0))


def _on_record(record: TrialRecord, metrics: EpochMetrics) -> bool:
    """Whether the record has this very epoch; the time that it took may be another one."""
    if metrics.epoch > len(record.epochs):
        return False
    return dataclasses.replace(record.epochs[metrics.epoch - 1], seconds=metrics.seconds) == metrics


def _with_result(record: TrialRecord, result: TrialResult, pruner: str) -> TrialRecord:
    pruned = result.stop_reason == "stopped"
    stopped = f"pruned at epoch {record.pruned_at} ({pruner})"
    reasons = {"epochs": "all epochs", "early_stopping": "early stopping", "stopped": stopped}
    return dataclasses.replace(
        record,
        state="pruned" if pruned else "complete",
        reason=reasons[result.stop_reason],
        parameters=result.parameters,
        weights_digest=result.weights_digest,
        timings={"build": result.build_seconds, "fit": result.fit_seconds},
        model_file=result.model_file,
        model_digest=result.model_digest,
        notes=result.notes,
    )


def _with_failure(record: TrialRecord, failure: TrialFailure, action: Action) -> TrialRecord:
    record = dataclasses.replace(record, cause=failure.cause, message=failure_text(failure))
    if action == "prune":
        reason = f"pruned after {len(record.epochs)} epochs ({failure.cause})"
        return dataclasses.replace(record, state="pruned", reason=reason)
    # What was reached before a failure is in the epochs; as a result it would be misleading.
    return dataclasses.replace(record, state="failed", reason=failure.cause, objective_value=None, best_epoch=None)


def failure_text(failure: TrialFailure) -> str:
    """Its message and traceback, as a record can hold them."""
    # A file name that is no UTF-8 is text with surrogates, which no record can hold.
    return f"{failure.message}\n{failure.traceback}".strip().encode("utf-8", "backslashreplace").decode("utf-8")


def _stopped(number: int, failure: TrialFailure) -> str:
    return (
        f"trial {number} failed ({failure.cause}): {failure_text(failure)}\n"
        f"The sweep stops, as `search.failures.{failure.cause}: stop` says. Mend the cause, then the same command goes "
        "on with this trial"
    )


def _killed(outcome: Outcome) -> bool:
    return isinstance(outcome.ended, TrialFailure) and outcome.ended.cause == "killed"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def keep_best_models(study_folder: Path, ranking: Sequence[TrialRecord], keep: int) -> None:
    """Remove the model files of all but the best trials: they can be had again with `reproduce`.

    Raises:
        DiskError: a file cannot be removed, or a record not be written.
    """
    for record in ranking[keep:]:
        folder = trial_folder(study_folder, record.number)
        if record.model_file and (folder / record.model_file).is_file():
            with disk_errors(folder):
                (folder / record.model_file).unlink()
                write_record(folder, dataclasses.replace(read_record(folder), model_file=None))
