# ruff: noqa: ARG001, ARG002 - observers and fakes have the signatures of the interfaces

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sweep.errors import FailureCause, StudyError, SweepStopped, TrialFailure
from sweep.execution.executor import Executor, Task
from sweep.execution.supervisor import Supervisor, TrialSetting, keep_best_models
from sweep.execution.workers import Usage
from sweep.records.study_records import ranked, read_records
from sweep.records.trial_record import TrialRecord, read_record, write_record
from sweep.records.trial_result import EpochMetrics, OnEpoch, TrialResult
from sweep.space.space import Space
from sweep.study.optuna_study import OptunaStudy
from tests.fakes import (
    LINE,
    PREPARED,
    STAMP,
    FakeTrain,
    InlineExecutor,
    MemoryTracker,
    SteppedExecutor,
    fake_epoch,
    fake_result,
    make_record,
    make_space,
    make_study,
    record_for,
    take,
)

STARTS = "start_from: [{learning_rate: 0.01}, {learning_rate: 0.1}, {learning_rate: 1.0}, {learning_rate: 0.001}]"
SETTING = TrialSetting(PREPARED, STAMP, {"version.python": "3.11"})


def supervise(study: OptunaStudy, executor: Executor, tracker: MemoryTracker | None = None) -> Supervisor:
    memory = tracker or MemoryTracker()

    def observe(record: TrialRecord, worker: int) -> None:
        memory.update(record)

    return Supervisor(study, executor, SETTING, [observe])


def failing(**causes: FailureCause) -> InlineExecutor:
    """Trials `t0`, `t1`, … fail with these causes; all bugs are at the same place."""
    failures = {int(name[1:]): failure(cause) for name, cause in causes.items()}
    return InlineExecutor(FakeTrain(failures))


def failure(cause: FailureCause, place: int = 1) -> TrialFailure:
    return TrialFailure(cause, "no such layer", f"Traceback:\n  line {place}" if cause == "bug" else "")


def states(folder: Path) -> list[str]:
    return [record.state for record in read_records(folder)]


def test_a_sweep_trains_every_trial_to_its_end(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo", make_space(more=STARTS))
    assert supervise(study, InlineExecutor(FakeTrain())).run(2) is True
    first, second = read_records(tmp_path / "demo")
    assert (first.state, first.reason, first.origin) == ("complete", "all epochs", "start_from[0]")
    assert [metrics.val_accuracy for metrics in first.epochs] == [0.5, 0.75, 0.875, 0.9375]
    assert (first.best_epoch, first.objective_value) == (4, 0.9375)
    assert (first.parameters, first.weights_digest, first.model_file) == (1234, "w" * 64, "model.keras")
    assert (first.data, first.environment) == (STAMP, {"version.python": "3.11"})
    assert sorted(first.timings) == ["build", "fit", "total"]
    assert (first.timings["build"], first.timings["fit"]) == (0.25, 4.5)
    assert first.finished is not None
    assert first.finished >= first.started
    assert (second.number, second.objective_value) == (1, 0.46875)


def test_the_record_of_an_ended_trial_has_the_findings_on_its_curves(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    supervise(make_study(tmp_path / "demo", make_space(more=STARTS)), InlineExecutor(FakeTrain()), tracker).run(1)
    (record,) = read_records(tmp_path / "demo")
    assert [finding.kind for finding in record.diagnosis] == ["under-fitting"]
    assert tracker.newest[0].diagnosis == record.diagnosis


def test_observers_receive_every_change_in_order(tmp_path: Path) -> None:
    changes: list[tuple[int, str, int, int]] = []
    study = make_study(tmp_path / "demo")
    executor = SteppedExecutor(workers=2)

    def observe(record: TrialRecord, worker: int) -> None:
        changes.append((record.number, record.state, len(record.epochs), worker))

    Supervisor(study, executor, SETTING, [observe]).run(3)
    for number, worker in ((0, 0), (1, 1), (2, 0)):
        running = [(number, "running", epochs, worker) for epochs in range(5)]
        assert [change for change in changes if change[0] == number] == [*running, (number, "complete", 4, worker)]
    assert [change[:3] for change in changes[:4]] == [
        (0, "running", 0),
        (1, "running", 0),
        (0, "running", 1),
        (1, "running", 1),
    ]
    assert executor.closed


def test_the_tracker_and_the_disk_have_the_same_records(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    supervise(make_study(tmp_path / "demo"), failing(t1="nan"), tracker).run(3)
    assert list(tracker.newest.values()) == read_records(tmp_path / "demo")


def test_a_record_is_on_disk_before_the_observers_receive_it(tmp_path: Path) -> None:
    def observe(record: TrialRecord, worker: int) -> None:
        text = (tmp_path / "demo" / "trials" / f"{record.number:04d}" / "trial.json").read_text()
        assert len(json.loads(text)["epochs"]) == len(record.epochs)

    Supervisor(make_study(tmp_path / "demo"), InlineExecutor(FakeTrain()), SETTING, [observe]).run(1)


def pruning(epochs: int = 4) -> Space:
    """A space that prunes each trial below the median after its first epoch, from the second trial on."""
    text = LINE.replace("epochs: 4", f"epochs: {epochs}")
    return make_space(text, "sampler: random, pruner: {name: median, startup_trials: 1, warmup_epochs: 1}", STARTS)


def test_a_trial_that_is_behind_is_pruned_with_its_reason(tmp_path: Path) -> None:
    supervise(make_study(tmp_path / "demo", pruning()), InlineExecutor(FakeTrain())).run(2)
    first, second = read_records(tmp_path / "demo")
    assert first.state == "complete"
    assert (second.state, second.reason, len(second.epochs)) == ("pruned", "pruned at epoch 1 (median)", 1)
    assert second.model_file is None


def test_a_prune_decision_at_the_last_epoch_changes_nothing(tmp_path: Path) -> None:
    supervise(make_study(tmp_path / "demo", pruning(epochs=1)), InlineExecutor(FakeTrain())).run(2)
    second = read_records(tmp_path / "demo")[1]
    assert (second.state, second.reason) == ("complete", "all epochs")


def test_early_stopping_is_the_reason(tmp_path: Path) -> None:
    def train(task: Task, on_epoch: OnEpoch) -> TrialResult:
        epoch = fake_epoch(task.config, 1)
        on_epoch(epoch)
        result = fake_result(task.config, [epoch], stopped=False)
        return type(result)(**{**vars(result), "stop_reason": "early_stopping"})

    supervise(make_study(tmp_path / "demo"), InlineExecutor(train)).run(1)
    (record,) = read_records(tmp_path / "demo")
    assert (record.state, record.reason) == ("complete", "early stopping")


@pytest.mark.parametrize("cause", ["nan", "killed", "bug"])
def test_a_failure_of_one_trial_is_recorded_and_the_sweep_continues(tmp_path: Path, cause: FailureCause) -> None:
    assert supervise(make_study(tmp_path / "demo"), failing(t0=cause)).run(2) is True
    failed, complete = read_records(tmp_path / "demo")
    assert (failed.state, failed.reason, complete.state) == ("failed", cause, "complete")
    assert failed.message == ("no such layer\nTraceback:\n  line 1" if cause == "bug" else "no such layer")
    assert (len(failed.epochs), failed.objective_value, failed.best_epoch) == (2, None, None)


def test_a_message_that_is_not_utf8_is_recorded(tmp_path: Path) -> None:
    executor = InlineExecutor(FakeTrain({0: TrialFailure("bug", "cannot read caf\udce9.png")}))
    supervise(make_study(tmp_path / "demo"), executor).run(1)
    assert read_records(tmp_path / "demo")[0].message == r"cannot read caf\udce9.png"


def test_three_equal_tracebacks_in_a_row_stop_the_sweep(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    with pytest.raises(SweepStopped) as caught:
        supervise(study, failing(t0="bug", t1="bug", t2="bug")).run(9)
    assert str(caught.value) == ("the last 3 trials failed in the same way, so the sweep stops:\nTraceback:\n  line 1")
    assert caught.value.exit_code == 1
    assert states(tmp_path / "demo") == ["failed", "failed", "failed"]


def test_two_equal_tracebacks_do_not_stop_it(tmp_path: Path) -> None:
    supervise(make_study(tmp_path / "demo"), failing(t0="bug", t1="bug")).run(4)
    assert states(tmp_path / "demo") == ["failed", "failed", "complete", "complete"]


@pytest.mark.parametrize("between", ["complete", "killed"])
def test_equal_tracebacks_with_something_else_between_do_not_stop_it(tmp_path: Path, between: str) -> None:
    causes: dict[str, FailureCause] = {"t0": "bug", "t1": "bug", "t3": "bug"}
    if between != "complete":
        causes["t2"] = between  # type: ignore[assignment]
    assert supervise(make_study(tmp_path / "demo"), failing(**causes)).run(4) is True


def test_three_different_tracebacks_do_not_stop_it(tmp_path: Path) -> None:
    executor = InlineExecutor(FakeTrain({number: failure("bug", number) for number in range(3)}))
    assert supervise(make_study(tmp_path / "demo"), executor).run(4) is True
    assert states(tmp_path / "demo") == ["failed", "failed", "failed", "complete"]


def test_three_crashes_do_not_stop_it(tmp_path: Path) -> None:
    assert supervise(make_study(tmp_path / "demo"), failing(t0="killed", t1="killed", t2="killed")).run(4) is True


def after(calls: int) -> Callable[[], bool]:
    """Return a `stop` that requests the stop at the call number `calls`."""
    turns = iter(range(1000))
    return lambda: next(turns) >= calls


def test_a_stop_request_interrupts_what_runs_and_a_resume_finishes_with_the_total(tmp_path: Path) -> None:
    space = make_space(more=STARTS)
    executor = SteppedExecutor(workers=2)
    assert supervise(make_study(tmp_path / "demo", space), executor).run(4, after(2)) is False
    assert executor.closed
    interrupted = read_records(tmp_path / "demo")
    assert [(r.state, r.reason, len(r.epochs)) for r in interrupted] == [("interrupted", "interrupted", 2)] * 2
    study = make_study(tmp_path / "demo", space)
    assert supervise(study, SteppedExecutor(workers=2)).run(4) is True
    records = read_records(tmp_path / "demo")
    assert [(r.number, r.state, len(r.epochs)) for r in records] == [(n, "complete", 4) for n in range(4)]
    assert [r.values["learning_rate"] for r in records] == [0.01, 0.1, 1.0, 0.001]
    assert [r.started for r in records[:2]] == [r.started for r in interrupted]
    assert study.next(4) is None


def test_a_stop_request_before_the_first_trial_starts_none(tmp_path: Path) -> None:
    assert supervise(make_study(tmp_path / "demo"), SteppedExecutor()).run(4, lambda: True) is False
    assert states(tmp_path / "demo") == []


def test_a_child_that_the_stop_signal_killed_is_interrupted_and_not_failed(tmp_path: Path) -> None:
    """A closed terminal ends supervisor and children together, and the children may end first."""
    executor = SteppedExecutor(workers=2, killed=(1,))
    requests = {"stop": False}

    def observe(record: TrialRecord, worker: int) -> None:
        requests["stop"] = requests["stop"] or len(record.epochs) == 3

    study = make_study(tmp_path / "demo")
    assert Supervisor(study, executor, SETTING, [observe]).run(4, lambda: requests["stop"]) is False
    assert states(tmp_path / "demo") == ["interrupted", "interrupted"]
    assert make_study(tmp_path / "demo").interrupted_trials() == (0, 1)


def test_if_the_database_fails_the_running_trials_are_interrupted(tmp_path: Path) -> None:
    class BrokenStudy(OptunaStudy):
        def report(self, number: int, metrics: object) -> bool:
            raise StudyError("the database is full")

    study = make_study(tmp_path / "demo")
    study.__class__ = BrokenStudy
    executor = SteppedExecutor(workers=2)
    with pytest.raises(StudyError, match="the database is full"):
        supervise(study, executor).run(4)
    assert executor.closed
    assert states(tmp_path / "demo") == ["interrupted", "interrupted"]


def test_usage_is_summed_over_all_trials(tmp_path: Path) -> None:
    supervisor = supervise(make_study(tmp_path / "demo"), failing(t1="nan"))
    supervisor.run(3)
    assert supervisor.usage.workers == 1
    # Two trials of four epochs of 1 s each and 0.5 s before the first epoch, and two epochs of the failed trial.
    assert supervisor.usage.fit_seconds == 11.0
    assert supervisor.usage.images == 1000  # of a hundred images
    assert supervisor.usage.wall_seconds > 0


def test_usage_as_share_and_images_per_second() -> None:
    usage = Usage(workers=2, wall_seconds=10.0, fit_seconds=15.0, images=4000)
    assert usage.fit_share == 0.75
    assert usage.images_per_second == 400.0
    assert (Usage(2).fit_share, Usage(2).images_per_second) == (0.0, 0.0)


def test_models_beyond_the_best_are_removed_and_only_those(tmp_path: Path) -> None:
    records = [
        make_record(number, (accuracy,), model_file="model.keras")
        for number, accuracy in enumerate((0.5, 0.9, 0.7, 0.8))
    ]
    study = make_study(tmp_path / "demo")
    trials = study.folder / "trials"
    for record in records:
        study.save(record)
        folder = trials / f"{record.number:04d}"
        for name in ("model.keras", "log.txt"):
            (folder / name).touch()
    without_epochs = [replace(record, epochs=()) for record in records]  # as `Tally` has them
    keep_best_models(study, ranked(without_epochs), keep=2)
    keep_best_models(study, ranked(records), keep=2)  # the second call finds nothing to remove
    assert [read_record(trials / name).model_file for name in ("0001", "0002")] == ["model.keras", None]
    assert len(read_record(trials / "0002").epochs) == 1
    left = sorted(str(path.relative_to(trials)) for path in trials.glob("*/model.keras"))
    assert left == ["0001/model.keras", "0003/model.keras"]
    assert len(list(trials.glob("*/log.txt"))) == 4
    keep_best_models(study, ranked(records), keep=0)
    assert list(trials.glob("*/model.keras")) == []


def test_an_audited_trial_continues_and_records_where_it_would_have_been_pruned(tmp_path: Path) -> None:
    search = "sampler: random, pruner: {name: median, startup_trials: 1, warmup_epochs: 1, audit: 1.0}"
    study = make_study(tmp_path / "demo", make_space(search=search, more=STARTS))
    supervise(study, InlineExecutor(FakeTrain())).run(3)

    best, behind, far_behind = read_records(tmp_path / "demo")
    assert (best.state, best.audited_at) == ("complete", None)
    assert (behind.state, behind.audited_at, len(behind.epochs)) == ("complete", 1, 4)
    assert (far_behind.state, far_behind.audited_at) == ("complete", 1)


class Dies(BaseException):
    """The supervisor is killed: none of its code runs any more."""


def dying(at: int, after_epochs: int | None = None) -> Callable[[Task, OnEpoch], TrialResult]:
    """Training that kills the supervisor: before it reports epoch `at`, or after the answer to `after_epochs`."""

    def train(task: Task, on_epoch: OnEpoch) -> TrialResult:
        epochs = []
        for epoch in range(1, task.config.training.epochs + 1):
            if epoch == at:
                raise Dies
            epochs.append(fake_epoch(task.config, epoch))
            stopped = on_epoch(epochs[-1])
            if epoch == after_epochs:
                raise Dies
            if stopped:
                return fake_result(task.config, epochs, stopped=True)
        return fake_result(task.config, epochs, stopped=False)

    return train


def kill_supervisor(study: OptunaStudy, train: Callable[[Task, OnEpoch], TrialResult]) -> None:
    """Run until the supervisor dies, and leave everything as after a SIGKILL."""
    supervisor = supervise(study, InlineExecutor(train))
    supervisor._interrupt_live_trials = lambda: None  # type: ignore[method-assign]  # a SIGKILL records nothing
    with pytest.raises(Dies):
        supervisor.run(1)


def test_observers_do_not_receive_recorded_epochs_again_when_a_trial_resumes(tmp_path: Path) -> None:
    changes: list[tuple[str, int]] = []

    def observe(record: TrialRecord, worker: int) -> None:
        changes.append((record.state, len(record.epochs)))

    kill_supervisor(make_study(tmp_path / "demo"), dying(at=3))
    before = read_records(tmp_path / "demo")[0]
    Supervisor(make_study(tmp_path / "demo"), InlineExecutor(FakeTrain()), SETTING, [observe]).run(1)

    record = read_records(tmp_path / "demo")[0]
    assert changes == [("running", 2), ("running", 3), ("running", 4), ("complete", 4)]
    assert (before.state, before.epochs, before.started) == ("running", record.epochs[:2], record.started)


def test_the_times_of_a_trial_are_sums_over_all_supervisors(tmp_path: Path) -> None:
    kill_supervisor(make_study(tmp_path / "demo"), dying(at=3))
    folder = tmp_path / "demo" / "trials" / "0000"
    make_study(tmp_path / "demo").save(dataclasses.replace(read_record(folder), timings={"total": 1000.0}))

    supervisor = supervise(make_study(tmp_path / "demo"), InlineExecutor(FakeTrain()))
    supervisor.run(1)

    assert 1000.0 < read_record(folder).timings["total"] < 1010.0
    # The other two epochs belong to the earlier run. The time outside epochs is only known for whole trials.
    assert (supervisor.usage.images, supervisor.usage.fit_seconds) == (200, 2.0)


def test_usage_counts_what_was_interrupted_and_what_failed(tmp_path: Path) -> None:
    stopped = supervise(make_study(tmp_path / "stopped"), SteppedExecutor())
    stopped.run(4, after(2))
    assert [len(record.epochs) for record in read_records(tmp_path / "stopped")] == [2, 2]
    assert (stopped.usage.images, stopped.usage.fit_seconds) == (400, 4.0)

    failed = supervise(make_study(tmp_path / "failed"), failing(t0="nan"))
    failed.run(1)
    assert (failed.usage.images, failed.usage.fit_seconds) == (200, 2.0)


def test_usage_counts_epochs_twice_that_had_to_be_trained_twice(tmp_path: Path) -> None:
    kill_supervisor(make_study(tmp_path / "demo"), dying(at=3))
    folder = tmp_path / "demo" / "trials" / "0000"
    record = read_record(folder)
    first = dataclasses.replace(
        record.epochs[0], seconds=7.0
    )  # without its checkpoint, it is trained again and takes a different time
    make_study(tmp_path / "demo").save(dataclasses.replace(record, epochs=(first, *record.epochs[1:])))

    supervisor = supervise(make_study(tmp_path / "demo"), InlineExecutor(FakeTrain()))
    supervisor.run(1)
    assert (supervisor.usage.images, supervisor.usage.fit_seconds) == (300, 3.0)


def test_a_decision_to_prune_holds_if_the_supervisor_dies_before_the_trial_receives_it(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo", pruning())
    supervise(study, InlineExecutor(FakeTrain())).run(1)
    supervisor = supervise(make_study(tmp_path / "demo", pruning()), InlineExecutor(dying(at=9, after_epochs=1)))
    supervisor._interrupt_live_trials = lambda: None  # type: ignore[method-assign]
    with pytest.raises(Dies):
        supervisor.run(2)
    assert (read_records(tmp_path / "demo")[1].state, read_records(tmp_path / "demo")[1].pruned_at) == ("running", 1)

    class Unasked(OptunaStudy):
        def report(self, number: int, metrics: EpochMetrics) -> bool:
            raise AssertionError("the pruner is asked again")

    again = make_study(tmp_path / "demo", pruning())
    again.__class__ = Unasked
    supervise(again, InlineExecutor(FakeTrain())).run(2)

    second = read_records(tmp_path / "demo")[1]
    assert (second.state, second.reason, len(second.epochs)) == ("pruned", "pruned at epoch 1 (median)", 1)


def test_a_decision_to_prune_an_interrupted_trial_holds_too(tmp_path: Path) -> None:
    folder = tmp_path / "demo" / "trials" / "0000"
    kill_supervisor(make_study(tmp_path / "demo"), dying(at=3))
    record = dataclasses.replace(read_record(folder), state="interrupted", reason="interrupted", pruned_at=2)
    make_study(tmp_path / "demo").save(record)
    supervise(make_study(tmp_path / "demo"), InlineExecutor(FakeTrain())).run(1)
    assert (read_record(folder).state, read_record(folder).reason) == ("pruned", "pruned at epoch 2 (none)")


def test_an_epoch_with_different_results_replaces_the_recorded_one(tmp_path: Path) -> None:
    folder = tmp_path / "demo" / "trials" / "0000"
    kill_supervisor(make_study(tmp_path / "demo"), dying(at=4))
    record = read_record(folder)
    other = dataclasses.replace(record.epochs[1], loss=123.0)
    changed = dataclasses.replace(record, epochs=(record.epochs[0], other, record.epochs[2]))
    make_study(tmp_path / "demo").save(changed)
    supervise(make_study(tmp_path / "demo"), InlineExecutor(FakeTrain())).run(1)
    assert read_record(folder).epochs == record.epochs + read_record(folder).epochs[3:]
    assert [metrics.epoch for metrics in read_record(folder).epochs] == [1, 2, 3, 4]


def test_a_trial_that_had_ended_when_its_supervisor_died_is_not_trained_again(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")

    # Versions that wrote the record before the database were killed between the two.
    pending = take(study)
    write_record(study.folder / "trials" / "0000", record_for(study, pending))
    checkpoint = tmp_path / "demo" / "trials" / "0000" / "checkpoint-0004.npz"
    checkpoint.touch()

    again = make_study(tmp_path / "demo")
    assert again.interrupted_trials() == ()
    assert supervise(again, InlineExecutor(dying(at=1))).run(1) is True
    assert states(tmp_path / "demo") == ["complete"]
    assert not checkpoint.exists()


def killed_at(*epochs: int) -> Callable[[Task, OnEpoch], TrialResult]:
    """Training that is killed before it reports these epochs, one per start; later starts are not killed."""
    left = list(epochs)

    def train(task: Task, on_epoch: OnEpoch) -> TrialResult:
        until = left.pop(0) if left else 99
        done = []
        for epoch in range(1, task.config.training.epochs + 1):
            if epoch == until:
                raise TrialFailure("killed", "ended by SIGKILL")
            done.append(fake_epoch(task.config, epoch))
            on_epoch(done[-1])
        return fake_result(task.config, done, stopped=False)

    return train


@pytest.mark.parametrize(
    ("killed", "state"),
    [
        ((2, 3, 4), "complete"),
        ((1, 1), "complete"),
        ((1, 1, 1), "complete"),
        ((1, 1, 1, 1), "failed"),
        ((1, 1, 2, 2, 2, 3, 3, 3), "complete"),
        ((2, 2, 2, 2), "failed"),
    ],
)
def test_a_killed_trial_starts_again_while_it_makes_progress(
    tmp_path: Path, killed: tuple[int, ...], state: str
) -> None:
    assert supervise(make_study(tmp_path / "demo"), InlineExecutor(killed_at(*killed))).run(1) is True
    (record,) = read_records(tmp_path / "demo")
    assert (record.number, record.state) == (0, state)
    if state == "complete":
        assert [metrics.epoch for metrics in record.epochs] == [1, 2, 3, 4]


def test_checkpoints_are_removed_when_a_trial_ends_and_kept_when_it_is_interrupted(tmp_path: Path) -> None:
    def train(task: Task, on_epoch: OnEpoch) -> TrialResult:
        task.folder.mkdir(parents=True, exist_ok=True)
        (task.folder / "checkpoint-0002.npz").touch()
        return FakeTrain()(task, on_epoch)

    supervise(make_study(tmp_path / "demo"), InlineExecutor(train)).run(1)
    assert [path.name for path in (tmp_path / "demo" / "trials" / "0000").iterdir()] == ["trial.json"]
    kill_supervisor(make_study(tmp_path / "more"), lambda task, on_epoch: dying(at=2)(task, on_epoch))
    (tmp_path / "more" / "trials" / "0000" / "checkpoint-0001.npz").touch()
    supervise(make_study(tmp_path / "more"), SteppedExecutor()).run(1, lambda: True)
    assert (tmp_path / "more" / "trials" / "0000" / "checkpoint-0001.npz").exists()


def test_a_trial_that_is_killed_repeatedly_fails_under_its_number(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    executor = failing(t0="killed")
    supervise(make_study(tmp_path / "demo", make_space(more=STARTS)), executor, tracker).run(2)
    failed, complete = read_records(tmp_path / "demo")
    assert (failed.number, failed.state, failed.reason) == (0, "failed", "killed")
    assert (complete.number, complete.state) == (1, "complete")
    assert [failed.values["learning_rate"], complete.values["learning_rate"]] == [0.01, 0.1]


class KilledOnce(FakeTrain):
    """The first start of trial 0 is killed after its second epoch."""

    def __call__(self, task: Task, on_epoch: OnEpoch) -> TrialResult:
        self.failures = {0: failure("killed")} if not self.failures and task.number == 0 else {9: failure("bug")}
        return super().__call__(task, on_epoch)


def test_a_trial_that_runs_again_ends_with_the_same_results(tmp_path: Path) -> None:
    supervise(make_study(tmp_path / "a" / "demo"), InlineExecutor(FakeTrain())).run(2)
    study = make_study(tmp_path / "b" / "demo")
    assert supervise(study, InlineExecutor(KilledOnce())).run(2) is True
    undisturbed, killed = read_records(tmp_path / "a" / "demo"), read_records(tmp_path / "b" / "demo")
    assert [(r.number, r.state, r.epochs, r.values, r.message) for r in killed] == [
        (r.number, r.state, r.epochs, r.values, "") for r in undisturbed
    ]
    assert study.count_started() == 2


def test_the_last_trial_of_a_study_runs_again_too(tmp_path: Path) -> None:
    """With two workers, the study has already returned None when the trial is killed."""
    assert supervise(make_study(tmp_path / "demo"), SteppedExecutor(workers=2, killed=(0,))).run(1) is True
    assert states(tmp_path / "demo") == ["failed"]


def test_the_policy_stop_interrupts_the_trial_and_gives_the_reason(tmp_path: Path) -> None:
    executor = InlineExecutor(FakeTrain({1: TrialFailure("data", "the images are gone")}))
    with pytest.raises(SweepStopped) as caught:
        supervise(make_study(tmp_path / "demo"), executor).run(3)
    assert str(caught.value) == (
        "trial 1 failed (data): the images are gone\n"
        "The sweep stops because of `search.failures.data: stop`. Fix the cause and run the same command again to "
        "resume this trial"
    )
    assert states(tmp_path / "demo") == ["complete", "interrupted"]
    study = make_study(tmp_path / "demo")
    assert study.interrupted_trials() == (1,)
    assert supervise(study, InlineExecutor(FakeTrain())).run(3) is True
    assert states(tmp_path / "demo") == ["complete"] * 3


def test_the_policy_prune_keeps_what_a_trial_has_reached(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo", make_space(search="sampler: random, failures: {timeout: prune}"))
    supervise(study, failing(t0="timeout")).run(1)
    (record,) = read_records(tmp_path / "demo")
    assert (record.state, record.reason, record.cause) == ("pruned", "pruned after 2 epochs (timeout)", "timeout")
    assert record.objective_value == record.epochs[1].val_accuracy


def test_three_equal_tracebacks_stop_the_sweep_although_each_trial_may_run_again(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo", make_space(search="sampler: random, failures: {bug: {retry: 5}}"))
    with pytest.raises(SweepStopped, match="the last 3 trials failed in the same way"):
        supervise(study, failing(t0="bug")).run(3)
    assert states(tmp_path / "demo") == ["interrupted"]
