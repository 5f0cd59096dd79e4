"""The rounds: every finalist that is still compared is trained once in each, until one is separated."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from sweep.analysis.finalists import LEAST_ROUNDS, LEVEL, Judgement, dominated, judge
from sweep.data.loading import load_split
from sweep.errors import NothingFinished, SweepStopped, TrialFailure
from sweep.execution.executor import Executor, Outcome
from sweep.execution.live_trial import failure_text
from sweep.execution.supervisor import POLL_SECONDS, TrialSetting
from sweep.finalization.repeats import RepeatPlan
from sweep.records.disk import disk_errors
from sweep.records.image_facts import DataStamp
from sweep.records.seeds import Purpose, derive
from sweep.records.trial_record import TrialRecord, write_record
from sweep.records.trial_result import EpochMetrics, TrialResult, best_epoch

OnRepeat = Callable[[TrialRecord, int], None]
"""Told of every repetition that has ended, with the number of its round."""
FOR_GOOD = ("nan", "too_large", "infeasible", "bug")
"""Failures that a second try would only repeat."""
TRIES = 3
"""Of a repetition that failed for another reason (killed, out of memory, …), before its finalist is dropped."""


@dataclasses.dataclass(frozen=True)
class ComparisonOutcome:
    """How the comparison ended.

    Attributes:
        judgement: over the finalists that stayed.
        scores: by trial the objective of its rounds; also of those that were dropped.
        repeats: by trial the records of its rounds.
        dropped: by trial why it left.
        rounds: finished ones; with folds those of whole passes.
        ended: why there were no more rounds: `separated`, `alone`, `repeats`, `budget` or `stopped`.
    """

    judgement: Judgement
    scores: Mapping[int, tuple[float, ...]]
    repeats: Mapping[int, tuple[TrialRecord, ...]]
    dropped: Mapping[int, str]
    rounds: int
    ended: str


class FinalComparison:
    """Repeated trainings of the finalists.

    Args:
        finalists: records of the search, the best first; at least one.
        plan: of the rounds.
        executor: trains repetitions (`repeats.train_repeat`).
        setting: the images and the environment.
        told: see `OnRepeat`.
    """

    def __init__(
        self,
        finalists: Sequence[TrialRecord],
        plan: RepeatPlan,
        executor: Executor,
        setting: TrialSetting,
        told: OnRepeat,
    ) -> None:
        self._finalists = {record.number: record for record in finalists}
        self._plan = plan
        self._executor = executor
        self._setting = setting
        self._told = told
        self._maximize = finalists[0].config.direction == "maximize"
        self._repeats: dict[int, list[TrialRecord]] = {number: [] for number in self._finalists}
        self._dropped: dict[int, str] = {}
        self._running: dict[int, _Running] = {}
        self._tries: dict[int, int] = {}

    def run(self, most: int, stop: Callable[[], bool], seconds_left: Callable[[], float]) -> ComparisonOutcome:
        """Run rounds until one finalist is separated, or `most` rounds, the time or `stop` end them.

        Args:
            most: rounds.
            stop: asked twice a second; True interrupts.
            seconds_left: of the time for rounds; one is begun only if it can be expected to fit.

        Raises:
            NothingFinished: every finalist failed.
            SweepStopped: the images are gone, which says nothing of a finalist.
        """
        number, ended = 0, ""
        try:
            while not ended:
                if stop():
                    ended = "stopped"
                elif number >= most:
                    ended = "repeats"
                elif self._missing(number + 1) and seconds_left() < self._expected_seconds():
                    ended = "budget"
                elif not self._round(number + 1, lambda: stop() or seconds_left() <= 0):
                    ended = "stopped" if stop() else "budget"
                else:
                    number += 1
                    ended = self._decide(number)
        finally:
            self._executor.close()
        return self._comparison_outcome(number, ended)

    def _staying(self) -> list[TrialRecord]:
        return [record for trial, record in self._finalists.items() if trial not in self._dropped]

    def _expected_seconds(self) -> float:
        """Of a round, from the newest training of each finalist."""
        newest = [(self._repeats[record.number] or [record])[-1] for record in self._staying()]
        seconds = [record.timings.get("total", 0.0) for record in newest]
        return max(max(seconds), sum(seconds) / self._executor.workers)

    def _round(self, number: int, over: Callable[[], bool]) -> bool:
        """Train what the round still lacks; False if it was cut off, which leaves it unfinished."""
        waiting = self._missing(number)
        self._tries = dict.fromkeys(self._finalists, 0)
        while waiting or self._running:
            if over():
                return False
            while waiting and len(self._running) < self._executor.workers:
                self._start(waiting.pop(0), number)
            for outcome in self._executor.wait(POLL_SECONDS):
                if isinstance(outcome.ended, TrialFailure) and outcome.ended.cause == "killed" and over():
                    return False  # the signal that stops this process has reached the child too
                if not self._finish(outcome, number):
                    waiting.append(self._finalists[outcome.number])
        for record in self._staying():
            self._take(record, number)
        return True

    def _missing(self, number: int) -> list[TrialRecord]:
        """The finalists that have not been trained in the round, by an earlier run for example."""
        stamp = self._stamp(number)
        return [record for record in self._staying() if not self._is_done(record, number, stamp)]

    def _stamp(self, number: int) -> DataStamp:
        data = next(iter(self._finalists.values())).config.data
        return load_split(self._setting.prepared, data, self._plan.split(number)).stamp

    def _is_done(self, record: TrialRecord, number: int, stamp: DataStamp) -> bool:
        found = self._plan.recorded(record, number)
        if found is None or found.data != stamp:
            return False
        # A failure on record was tried often enough: another try by another run could choose another winner and have
        # the test set opened for it as well. Older records, which name no cause, were written after the first try.
        return found.state == "complete" or found.cause is not None or found.reason in FOR_GOOD

    def _start(self, record: TrialRecord, number: int) -> None:
        task = self._plan.task(record, number, self._setting.prepared)
        running = _Running(_now(), time.monotonic())
        self._running[record.number] = running

        def on_epoch(metrics: EpochMetrics) -> bool:
            running.epochs.append(metrics)
            return False

        self._executor.submit(task, on_epoch)

    def _finish(self, outcome: Outcome, number: int) -> bool:
        """Record a repetition; False, and nothing on record, if it is to be tried again."""
        running = self._running.pop(outcome.number)
        searched = self._finalists[outcome.number]
        task = self._plan.task(searched, number, self._setting.prepared)
        record = TrialRecord(
            study=searched.study,
            number=searched.number,
            state="running",
            config=task.config,
            values=searched.values,
            data=self._stamp(number),
            environment=self._setting.environment,
            started=running.started,
            finished=_now(),
            origin=f"{searched.study}/{searched.number} round {number}",
            epochs=tuple(running.epochs),
        )
        total = {"total": time.monotonic() - running.begun}
        if isinstance(outcome.ended, TrialResult):
            record = _with_result(record, outcome.ended, total)
        else:
            record = _with_failure(record, outcome.ended, total)
        self._told(record, number)
        if self._is_to_be_tried_again(record):
            return False
        with disk_errors(task.folder):
            write_record(task.folder, record)
        return True

    def _is_to_be_tried_again(self, record: TrialRecord) -> bool:
        """Whether a failure may be chance.

        Raises:
            SweepStopped: the images are gone.
        """
        if record.cause == "data":
            raise SweepStopped(
                f"trial {record.number} could not be trained again: {record.message}\n"
                "What was trained is kept, and the test set is closed. Mend the cause, then the same command goes on"
            )
        self._tries[record.number] += 1
        return record.cause is not None and record.cause not in FOR_GOOD and self._tries[record.number] < TRIES

    def _take(self, record: TrialRecord, number: int) -> None:
        """Count a repetition, or drop the finalist that failed it."""
        found = self._plan.recorded(record, number)
        if found is not None and found.state == "complete":
            self._repeats[record.number].append(found)
        else:
            reason = found.reason if found is not None else "no record"
            self._dropped[record.number] = f"failed in round {number}: {reason}"

    def _scores(self) -> dict[int, tuple[float, ...]]:
        return {
            record.number: tuple(float(r.objective_value or 0.0) for r in self._repeats[record.number])
            for record in self._staying()
        }

    def _decide(self, number: int) -> str:
        """Why the comparison is over; "" if it goes on. With folds only whole passes are judged."""
        scores = self._scores()
        if not scores:
            reasons = "; ".join(f"trial {trial}: {reason}" for trial, reason in self._dropped.items())
            raise NothingFinished(f"every finalist failed when it was trained again: {reasons}")
        if self._plan.folds is not None and number % self._plan.folds:
            return ""
        verdict = self._judge(scores).verdict
        if verdict == "separated" or (verdict == "alone" and number >= LEAST_ROUNDS):
            return verdict
        for trial in dominated(scores, maximize=self._maximize):
            self._dropped[trial] = f"behind after round {number} (paired t-test, {LEVEL:.0%})"
        return ""

    def _judge(self, scores: Mapping[int, tuple[float, ...]]) -> Judgement:
        parameters = {trial: self._finalists[trial].parameters or 0 for trial in scores}
        return judge(scores, parameters, maximize=self._maximize, seed=derive(self._plan.seed, Purpose.BOOTSTRAP))

    def _comparison_outcome(self, number: int, ended: str) -> ComparisonOutcome:
        """Of whole passes over the folds alone, for the others were not held out from everybody in the same way."""
        whole = number - number % (self._plan.folds or 1)
        repeats = {trial: tuple(records[:whole]) for trial, records in self._repeats.items()}
        scores = {t: tuple(float(r.objective_value or 0.0) for r in records) for t, records in repeats.items()}
        staying = {record.number: scores[record.number] for record in self._staying()}
        return ComparisonOutcome(self._judge(staying), scores, repeats, dict(self._dropped), whole, ended)


@dataclasses.dataclass
class _Running:
    started: str
    begun: float
    epochs: list[EpochMetrics] = dataclasses.field(default_factory=list)


def _with_result(record: TrialRecord, result: TrialResult, total: Mapping[str, float]) -> TrialRecord:
    best = best_epoch(result.epochs, record.config.objective)
    return dataclasses.replace(
        record,
        state="complete",
        reason="early stopping" if result.stop_reason == "early_stopping" else "all epochs",
        epochs=result.epochs,
        best_epoch=best.epoch,
        objective_value=best.value(record.config.objective),
        parameters=result.parameters,
        weights_digest=result.weights_digest,
        timings={"build": result.build_seconds, "fit": result.fit_seconds, **total},
    )


def _with_failure(record: TrialRecord, failure: TrialFailure, total: Mapping[str, float]) -> TrialRecord:
    return dataclasses.replace(
        record,
        state="failed",
        reason=failure.cause,
        cause=failure.cause,
        message=failure_text(failure),
        timings=dict(total),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
