"""The supervisor's loop: ask the study for points, have them trained, report, prune, record. Knows no TensorFlow."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from sweep.data.cache import Prepared
from sweep.data.stamp import DataStamp
from sweep.errors import SweepStopped, TrialFailure
from sweep.execution.executor import Executor, Outcome, Task
from sweep.execution.order import Cost, TrialQueue
from sweep.study.pruning import is_audited, may_prune
from sweep.study.records import TrialRecord, trial_folder, write_record
from sweep.study.study import Assignment, Study
from sweep.study.twins import Twins
from sweep.training.result import EpochMetrics, TrialResult, best_epoch

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


@dataclasses.dataclass
class Usage:
    """What a run has used.

    Attributes:
        wall_seconds: from the first trial's start to the last one's end.
        fit_seconds: inside `fit`, summed over trials.
        images: trained on, an image counting once per epoch.
        workers: how many trials ran at a time.
    """

    workers: int
    wall_seconds: float = 0.0
    fit_seconds: float = 0.0
    images: int = 0

    @property
    def fit_share(self) -> float:
        """Share of workers x wall time that was spent inside `fit`."""
        available = self.workers * self.wall_seconds
        return self.fit_seconds / available if available else 0.0

    @property
    def images_per_second(self) -> float:
        """Summed over the workers."""
        return self.images / self.wall_seconds if self.wall_seconds else 0.0


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
        study: Study,
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
        self._bugs: deque[str] = deque(maxlen=SAME_BUG)
        self._twins = Twins(study.records())
        self.usage = Usage(executor.workers)

    def run(self, total: int, stop: Callable[[], bool] = lambda: False) -> bool:
        """Run trials until the study has `total`, or `stop` says so.

        Returns:
            True if everything was run; False if it was stopped, with the running trials given back to the study.

        Raises:
            SweepStopped: the same traceback came three times in a row.
            StudyError: the study's database fails.
        """
        begun = time.perf_counter()
        more = True
        try:
            while more or self._running:
                if stop():
                    return False
                more = more and self._fill(total)
                for outcome in self._executor.wait(POLL_SECONDS if self._running else 0):
                    # Ctrl-C, a closed terminal or a stopped service end the children too, perhaps before they can be
                    # asked to: such a trial stays among the running ones and is given back.
                    if not (_killed(outcome) and stop()):
                        self._finish(outcome)
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

    def _start(self, assignment: Assignment) -> None:
        number = assignment.number
        record = TrialRecord(
            study=self._study.name,
            number=number,
            state="running",
            config=assignment.config,
            values=assignment.values,
            data=self._setting.stamp,
            environment=self._setting.environment,
            started=assignment.begun or _now(),
            origin=assignment.origin,
        )
        task = Task(number, assignment.config, self._setting.prepared, assignment.folder)
        self._study.save(record)
        self._running[number] = record
        self._begun[number] = time.perf_counter()
        self._worker[number] = self._executor.submit(task, lambda metrics: self._epoch(number, metrics))
        self._tell(record)

    def _epoch(self, number: int, metrics: EpochMetrics) -> bool:
        """Record an epoch; True if the trial is pruned here."""
        before = self._running[number]
        epochs = (*before.epochs, metrics)
        best = best_epoch(epochs, before.config.objective)
        record = dataclasses.replace(
            before, epochs=epochs, best_epoch=best.epoch, objective_value=best.value(before.config.objective)
        )
        search = self._study.space.search
        prune = self._study.report(number, metrics) and may_prune(search.pruner, epochs, record.config.training.epochs)
        if prune and is_audited(search.pruner, search.seed, number):
            record = dataclasses.replace(record, audited_at=record.audited_at or metrics.epoch)
            prune = False
        if prune:
            record = dataclasses.replace(record, reason=f"pruned at epoch {metrics.epoch} ({search.pruner.name})")
        self._running[number] = record
        self._study.save(record)
        self._tell(record)
        return prune

    def _finish(self, outcome: Outcome) -> None:
        record = self._running.pop(outcome.number)
        ended = outcome.ended
        if isinstance(ended, TrialResult):
            record = self._twins.flagged(_with_result(record, ended))
            self.usage.fit_seconds += ended.fit_seconds
            self.usage.images += self._setting.stamp.train * len(ended.epochs)
        else:
            record = _with_failure(record, ended)
        total = time.perf_counter() - self._begun.pop(outcome.number)
        record = dataclasses.replace(record, finished=_now(), timings={**record.timings, "total": total})
        self._study.finish(record)
        self._tell(record)
        self._worker.pop(outcome.number)
        self._remember_bug(ended)

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
            self._study.save(record)
            self._tell(record)
        self._running.clear()

    def _tell(self, record: TrialRecord) -> None:
        for observer in self._observers:
            observer(record, self._worker.get(record.number, 0))


def _with_result(record: TrialRecord, result: TrialResult) -> TrialRecord:
    pruned = result.stop_reason == "stopped"
    reasons = {"epochs": "all epochs", "early_stopping": "early stopping", "stopped": record.reason}
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


def _with_failure(record: TrialRecord, failure: TrialFailure) -> TrialRecord:
    message = f"{failure.message}\n{failure.traceback}".strip()
    # A file name that is no UTF-8 is text with surrogates, which no record can hold.
    message = message.encode("utf-8", "backslashreplace").decode("utf-8")
    # What was reached before a failure is in the epochs; as a result it would be misleading.
    return dataclasses.replace(
        record, state="failed", reason=failure.cause, message=message, objective_value=None, best_epoch=None
    )


def _killed(outcome: Outcome) -> bool:
    return isinstance(outcome.ended, TrialFailure) and outcome.ended.cause == "killed"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def keep_best_models(study_folder: Path, ranking: Sequence[TrialRecord], keep: int) -> None:
    """Remove the model files of all but the best trials: they can be had again with `reproduce`."""
    for record in ranking[keep:]:
        folder = trial_folder(study_folder, record.number)
        if record.model_file and (folder / record.model_file).is_file():
            (folder / record.model_file).unlink()
            write_record(folder, dataclasses.replace(record, model_file=None))
