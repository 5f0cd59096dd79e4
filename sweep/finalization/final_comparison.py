"""Train every remaining finalist once per round, until one finalist is significantly better than the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from sweep.analysis.finalists import LEAST_ROUNDS, LEVEL, Judgement, dominated, judge
from sweep.data.loading import load_split
from sweep.errors import NothingFinished, SweepStopped, TrialFailure
from sweep.execution.executor import Executor, Outcome
from sweep.execution.live_trial import LiveTrial
from sweep.execution.supervisor import POLL_SECONDS, TrialSetting
from sweep.finalization.repeats import RepeatPlan
from sweep.records.disk import disk_errors, make_subfolder
from sweep.records.image_facts import DataStamp
from sweep.records.seeds import Purpose, derive
from sweep.records.study_lock import check_lock
from sweep.records.trial_record import TrialRecord, time_text, write_record
from sweep.records.trial_result import EpochMetrics, TrialResult

OnRepeat = Callable[[TrialRecord, int], None]
"""Receives the record of every repeat that has ended, with the number of its round."""
PERMANENT = ("nan", "too_large", "infeasible", "bug")
"""Causes of failures that would occur again in every attempt."""
ATTEMPTS = 3
"""Maximum number of attempts at a repeat that fails for a cause not in PERMANENT; then the finalist is dropped."""


@dataclasses.dataclass(frozen=True)
class ComparisonOutcome:
    """How the comparison ended.

    Attributes:
        judgement: the comparison of the remaining finalists.
        scores: for each trial, its objective in each round; dropped finalists are included.
        repeats: for each trial, its record in each round; dropped finalists are included.
        dropped: for each dropped finalist, the reason.
        rounds: number of finished rounds; if there are folds, only rounds of complete passes over the folds count.
        ended: why the rounds ended: `separated`, `alone` (one is left), `repeats` (all done), `budget` or `stopped`.
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
        finalists: the finalists' records of the search (at least one), the best first.
        plan: seeds and splits of the rounds.
        executor: trains the repeats with `repeats.train_repeat`.
        setting: the images and the environment.
        on_repeat: see `OnRepeat`.
    """

    def __init__(
        self,
        finalists: Sequence[TrialRecord],
        plan: RepeatPlan,
        executor: Executor,
        setting: TrialSetting,
        on_repeat: OnRepeat,
    ) -> None:
        self._finalists = {record.number: record for record in finalists}
        self._plan = plan
        self._executor = executor
        self._setting = setting
        self._on_repeat = on_repeat
        self._maximize = finalists[0].config.direction == "maximize"
        self._repeats: dict[int, list[TrialRecord]] = {number: [] for number in self._finalists}
        self._dropped: dict[int, str] = {}
        self._live: dict[int, LiveTrial] = {}
        self._attempts: dict[int, int] = {}

    def run(self, most: int, stop: Callable[[], bool], seconds_left: Callable[[], float]) -> ComparisonOutcome:
        """Run rounds until one finalist is separated, `most` rounds are done, the time is up or `stop` returns True.

        Args:
            most: maximum number of rounds.
            stop: called twice a second; returns True to interrupt the comparison.
            seconds_left: returns the time left for rounds; a round starts only if it is expected to end in this time.

        Raises:
            NothingFinished: every finalist failed.
            SweepStopped: the images cannot be read, which is not a finalist's failure.
            StudyError: the study's folder was moved, removed or replaced, or cannot be written.
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

    def _remaining(self) -> list[TrialRecord]:
        return [record for trial, record in self._finalists.items() if trial not in self._dropped]

    def _expected_seconds(self) -> float:
        """Estimate the seconds of a round from the newest training of each finalist."""
        newest = [(self._repeats[record.number] or [record])[-1] for record in self._remaining()]
        seconds = [record.timings.get("total", 0.0) for record in newest]
        return max(max(seconds), sum(seconds) / self._executor.workers)

    def _round(self, number: int, over: Callable[[], bool]) -> bool:
        """Train the repeats that are missing in the round; return False if an interruption left it unfinished."""
        waiting = self._missing(number)
        self._attempts = dict.fromkeys(self._finalists, 0)
        while waiting or self._live:
            if over():
                return False
            while waiting and len(self._live) < self._executor.workers:
                self._start(waiting.pop(0), number)
            for outcome in self._executor.wait(POLL_SECONDS):
                if isinstance(outcome.ended, TrialFailure) and outcome.ended.cause == "killed" and over():
                    return False  # the signal that stops this process has also stopped the child
                if not self._finish(outcome, number):
                    waiting.append(self._finalists[outcome.number])
        for record in self._remaining():
            self._count(record, number)
        return True

    def _missing(self, number: int) -> list[TrialRecord]:
        """Return the finalists that must still be trained in the round; an earlier run may have trained the others."""
        stamp = self._stamp(number)
        return [record for record in self._remaining() if not self._is_done(record, number, stamp)]

    def _stamp(self, number: int) -> DataStamp:
        data = next(iter(self._finalists.values())).config.data
        return load_split(self._setting.prepared, data, self._plan.split(number)).stamp

    def _is_done(self, record: TrialRecord, number: int, stamp: DataStamp) -> bool:
        found = self._plan.recorded(record, number)
        if found is None or found.data != stamp:
            return False
        # A recorded failure has used all its attempts. If a later run tried again, another finalist could win, and the
        # test set would be opened a second time. Records of earlier versions have no `cause` and had one attempt, so
        # they are tried again unless their reason is permanent.
        return found.state == "complete" or found.cause is not None or found.reason in PERMANENT

    def _start(self, searched: TrialRecord, number: int) -> None:
        task = self._plan.task(searched, number, self._setting.prepared)
        record = TrialRecord(
            study=searched.study,
            number=searched.number,
            state="running",
            config=task.config,
            values=searched.values,
            data=self._stamp(number),
            environment=self._setting.environment,
            started=time_text(),
            origin=f"{searched.study}/{searched.number} round {number}",
        )
        live = self._live[record.number] = LiveTrial(record, record)

        def on_epoch(metrics: EpochMetrics) -> bool:
            live.record = live.with_epoch(metrics)
            return False

        check_lock(self._plan.lock)
        with disk_errors(task.folder):
            make_subfolder(self._plan.folder, task.folder)
        self._executor.submit(task, on_epoch)

    def _finish(self, outcome: Outcome, number: int) -> bool:
        """Record a repeat and return True; return False without a record if the repeat needs another attempt."""
        live = self._live.pop(outcome.number)
        check_lock(self._plan.lock)
        if isinstance(outcome.ended, TrialResult):
            # The model's digest and the notes are already in the trial's record of the search.
            record = dataclasses.replace(live.with_result(outcome.ended, ""), model_digest=None, notes=())
        else:
            record = live.with_failure(outcome.ended, "fail")
        record = dataclasses.replace(record, finished=time_text(), timings={**record.timings, "total": live.seconds})
        self._on_repeat(record, number)
        if self._needs_another_attempt(record):
            return False
        folder = self._plan.place(record.number, number)
        with disk_errors(folder):
            write_record(folder, record)
        return True

    def _needs_another_attempt(self, record: TrialRecord) -> bool:
        """True if the repeat failed and another attempt may succeed.

        Raises:
            SweepStopped: the images cannot be read.
        """
        if record.cause == "data":
            raise SweepStopped(
                f"trial {record.number} could not be trained again: {record.message}\n"
                "The finished repeats are kept, and the test set has not been opened. Fix the cause and run the same "
                "command again to resume"
            )
        self._attempts[record.number] += 1
        return record.cause is not None and record.cause not in PERMANENT and self._attempts[record.number] < ATTEMPTS

    def _count(self, record: TrialRecord, number: int) -> None:
        """Count a repeat, or drop the finalist if it failed."""
        found = self._plan.recorded(record, number)
        if found is not None and found.state == "complete":
            self._repeats[record.number].append(found)
        else:
            reason = found.reason if found is not None else "no record"
            self._dropped[record.number] = f"failed in round {number}: {reason}"

    def _decide(self, number: int) -> str:
        """Return why the comparison ends, or "". If there are folds, only complete passes are judged."""
        scores = {record.number: _objectives(self._repeats[record.number]) for record in self._remaining()}
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
        """Return the outcome. With folds, it has only complete passes, in which every image is held out once."""
        whole = number - number % (self._plan.folds or 1)
        repeats = {trial: tuple(records[:whole]) for trial, records in self._repeats.items()}
        scores = {trial: _objectives(records) for trial, records in repeats.items()}
        remaining = {record.number: scores[record.number] for record in self._remaining()}
        return ComparisonOutcome(self._judge(remaining), scores, repeats, dict(self._dropped), whole, ended)


def _objectives(records: Sequence[TrialRecord]) -> tuple[float, ...]:
    return tuple(float(record.objective_value or 0.0) for record in records)
