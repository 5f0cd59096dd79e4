"""`sweep finalize`: make one model from the records of a study, with its test accuracy and a page."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from sweep.analysis.finalists import choose_finalists
from sweep.analysis.formatting import count, duration
from sweep.analysis.trial_row import result_text
from sweep.commands.prerequisites import prepare_setting
from sweep.commands.stop_signals import INTERRUPTED, stop_requests
from sweep.errors import NothingFinished, TrackingError
from sweep.execution.child_call import Stopped, call_in_child
from sweep.execution.fork_server_executor import ForkServerExecutor, warm_up
from sweep.execution.supervisor import TrialSetting
from sweep.execution.workers import default_slots
from sweep.finalization.final_comparison import ComparisonOutcome, FinalComparison
from sweep.finalization.final_outputs import print_final_summary, write_outputs
from sweep.finalization.final_training import FinalTraining, learned_schedule, plan_training, train_final
from sweep.finalization.installation import install_tested, keep_tested, make_candidate_folder, with_more_rounds
from sweep.finalization.judge_answers import finalist_results, judge_test
from sweep.finalization.registration import register_final_model
from sweep.finalization.repeats import RepeatPlan, train_repeat
from sweep.invocation import home_option
from sweep.records.final_result import (
    MODEL_FILE,
    FinalResult,
    TestResult,
    TrainedFinal,
    final_folder,
    read_final,
    write_final,
)
from sweep.records.home import Home
from sweep.records.model_evaluation import Answers
from sweep.records.openings_ledger import Opening, read_openings
from sweep.records.study_lock import StudyLock
from sweep.records.study_records import ranked, read_records
from sweep.records.trial_record import TrialRecord, time_text
from sweep.study.open_study import stored_space
from sweep.terminal.console import make_console

CLOSING_SECONDS = 30.0
"""Seconds of the budget that are reserved for the steps after the last training: the test set, pictures, MLflow."""


@dataclass(frozen=True)
class FinalizeRequest:
    """What the user asks for.

    Attributes:
        top: number of best trials that are always finalists; trials within noise of the last of these are added.
        max_repeats: maximum number of rounds.
        folds: number of folds of the cross-validation; None for fresh splits.
        budget: seconds for the whole command; None for no limit.
        workers: number of trainings at a time; None for the default.
        again: the command that continues after an interruption.
    """

    home: Path
    study: str
    top: int
    max_repeats: int
    folds: int | None
    budget: float | None
    workers: int | None
    tracking_uri: str | None
    as_json: bool
    again: str


def finalize_study(request: FinalizeRequest) -> int:
    """Run the command.

    Returns:
        The exit code: 0, or 130 if the command was interrupted.

    Raises:
        UserError: something that the user can fix.
        NothingFinished: the study has no complete trial, or the budget was too small for the last training.
    """
    started = time.monotonic()
    home = Home(request.home)
    folder = home.study(request.study)
    console = make_console(as_json=request.as_json)
    if not ranked(read_records(folder)):
        raise NothingFinished(f"no trial of the study {request.study} is complete, so there is no best trial")
    warm_up()
    with StudyLock(folder) as lock, stop_requests() as stop:
        stop.graceful = True
        run = _Finalizing(request, home, folder, lock, console, stop, started)
        try:
            result = run.run()
        except Stopped:
            result = None
        if result is None and stop():
            console.print(f"interrupted; finished trainings are kept\nnext         {request.again}")
            return INTERRUPTED
        if result is None:
            raise NothingFinished(
                f"the budget of {duration(request.budget or 0.0)} was used up before the final model was trained; the "
                f"rounds are kept, and the test set was not opened. Continue with a larger budget: {request.again}"
            )
    print_final_summary(result, read_openings(folder), folder, console, as_json=request.as_json)
    return 0


@dataclass
class _Finalizing:
    """One run of the command, with the study locked."""

    request: FinalizeRequest
    home: Home
    folder: Path
    lock: StudyLock
    console: Console
    stop: Callable[[], bool]
    started: float

    def __post_init__(self) -> None:
        self.ranked = ranked(read_records(self.folder))
        self.seed = stored_space(self.folder).search.seed

    def run(self) -> FinalResult | None:
        """Return the final result; None if the run was interrupted or the budget is used up."""
        self.lock.check()
        install_tested(self.folder)
        finalists = choose_finalists(self.ranked, self.request.top)
        setting = prepare_setting(finalists[0].config.data, finalists, self.home, self.console)
        outcome = self._compare(finalists, setting)
        if outcome.ended == "stopped":
            return None
        if outcome.ended == "budget" and outcome.rounds == 0:
            raise NothingFinished(
                f"the budget of {duration(self.request.budget or 0.0)} leaves no time for "
                f"{'a pass over the folds' if self.request.folds else 'a round'} in addition to the final training, "
                "so luck could not be measured; the test set stays closed. Continue with a larger budget, or accept "
                f"the best trial of the search with --max-repeats 0: {self.request.again}"
            )
        if outcome.ended == "budget":
            self.console.print(f"the budget is used up after {count(outcome.rounds, 'round')}")
        winner = next(r for r in finalists if r.number == outcome.judgement.recommended)
        plan = plan_training(
            winner, learned_schedule(winner, outcome.repeats[winner.number]), setting.prepared, self.seed
        )
        earlier = read_final(self.folder)
        tested = final_folder(self.folder) / MODEL_FILE
        if earlier is not None and earlier.trained.key == plan.key and tested.is_file():
            self.console.print("this model has already been tested: the test set stays closed")
            again = self._result(finalists, outcome, earlier.trained, earlier.test, setting)
            return self._finish(with_more_rounds(earlier, again), plan)
        if self._left() <= 0:
            return None
        self.lock.check()
        candidate = make_candidate_folder(self.folder) / MODEL_FILE
        trained = self._train(plan, candidate)
        answers = self._open(plan, trained, candidate)
        result = self._result(finalists, outcome, trained, self._judge(winner, outcome, answers), setting)
        self.lock.check()
        keep_tested(self.folder, result, answers)
        install_tested(self.folder)
        return self._finish(result, plan)

    def _left(self) -> float:
        """Return the number of seconds until the budget is used up."""
        return math.inf if self.request.budget is None else self.request.budget - (time.monotonic() - self.started)

    def _compare(self, finalists: Sequence[TrialRecord], setting: TrialSetting) -> ComparisonOutcome:
        slots = default_slots(self.request.workers)
        executor = ForkServerExecutor(slots, train=train_repeat)
        plan = RepeatPlan(self.folder, self.seed, self.request.folds, self.lock.file)
        how = f"with {plan.folds}-fold cross-validation" if plan.folds else "each with a fresh split"
        numbers = ", ".join(str(record.number) for record in finalists)
        self.console.print(
            f"study {self.request.study}: finalists {numbers}, from {count(len(self.ranked), 'complete trial')}; "
            f"up to {count(self.request.max_repeats, 'round')} {how}, {len(slots)} trainings at a time"
        )
        comparison = FinalComparison(finalists, plan, executor, setting, self._print_repeat)
        reserve = CLOSING_SECONDS + max(_final_seconds(record) for record in finalists)
        return comparison.run(self.request.max_repeats, self.stop, lambda: self._left() - reserve)

    def _print_repeat(self, record: TrialRecord, number: int) -> None:
        failure = f"failed: {record.reason}: {record.message.splitlines()[0] if record.message else ''}"
        result = result_text(record) if record.state == "complete" else failure
        self.console.print(f"round {number} trial {record.number:04d}: {result}, {duration(record.timings['total'])}")

    def _train(self, plan: FinalTraining, candidate: Path) -> TrainedFinal:
        images = min(plan.config.data.limit or plan.prepared.train, plan.prepared.train)
        self.console.print(
            f"training trial {plan.record.number:04d} on all {images:,} images for "
            f"{count(len(plan.schedule.rates), 'epoch')} with the learning rates of {plan.schedule.reference}"
        )
        return train_final(plan, candidate, self.lock.file, lambda: self.stop() or self._left() <= 0)

    def _open(self, plan: FinalTraining, trained: TrainedFinal, candidate: Path) -> Answers:
        opening = Opening(time_text(), plan.record.number, trained.weights_digest, plan.prepared.test)
        earlier = len(read_openings(self.folder))
        if earlier:
            self.console.print(f"opening the test set again (opening number {earlier + 1}); every report will state it")
        arguments = (self.folder, plan.prepared, opening, candidate, plan.config, self.lock.file)
        answers: Answers = call_in_child("sweep.finalization.evaluate:evaluate", *arguments)
        return answers

    def _judge(self, winner: TrialRecord, outcome: ComparisonOutcome, answers: Answers) -> TestResult:
        scores = outcome.scores[winner.number]
        mean = sum(scores) / len(scores) if scores else None
        names, objective = winner.data.classes, winner.config.objective
        return judge_test(
            answers.probabilities, answers.labels, names, objective, float(winner.objective_value or 0.0), mean
        )

    def _result(
        self,
        finalists: Sequence[TrialRecord],
        outcome: ComparisonOutcome,
        trained: TrainedFinal,
        test: TestResult,
        setting: TrialSetting,
    ) -> FinalResult:
        judgement = outcome.judgement
        return FinalResult(
            study=self.request.study,
            objective=finalists[0].config.objective,
            finished=time_text(),
            seconds=time.monotonic() - self.started,
            verdict=judgement.verdict,
            winner=judgement.recommended,
            tied=judgement.tied,
            rounds=outcome.rounds,
            folds=self.request.folds,
            finalists=finalist_results(finalists, outcome),
            trained=trained,
            test=test,
            openings=len(read_openings(self.folder)),
            environment=setting.environment,
        )

    def _finish(self, result: FinalResult, plan: FinalTraining) -> FinalResult:
        """Write all files and register the model; the local files are complete before MLflow is called."""
        self._write(result)
        try:
            registered = register_final_model(result, plan, self.folder, self.home, self.request.tracking_uri)
        except TrackingError as error:
            self.console.print(f"the model is not registered: {error}\nRun the same command again to register it.")
            return result
        result = dataclasses.replace(result, registered=registered)
        self._write(result)
        return result

    def _write(self, result: FinalResult) -> None:
        self.lock.check()
        write_final(self.folder, result)
        write_outputs(self.folder, result, home_option(self.home.root))


def _final_seconds(record: TrialRecord) -> float:
    """Estimate the time of the training on all images from the trial's own speed."""
    share = (record.data.train + record.data.validation) / record.data.train
    return record.timings.get("total", 0.0) * share
