"""SIGKILL to the supervisor at every step of every event: the next one continues as if nothing had happened."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from sqlalchemy import Connection

from sweep.execution.executor import Task
from sweep.execution.supervisor import Supervisor, TrialSetting
from sweep.records.study_records import read_records
from sweep.records.trial_record import TrialRecord, write_record
from sweep.records.trial_result import OnEpoch, TrialResult
from sweep.study import optuna_study
from sweep.study.optuna_study import OptunaStudy
from sweep.study.working_copy import WorkingCopy
from tests.fakes import PREPARED, STAMP, TREE, FakeTrain, InlineExecutor, make_space, make_study

SPACE = make_space(
    TREE.replace("epochs: 9", "epochs: 3"),
    search="sampler: tpe, startup_trials: 2, pruner: {name: median, startup_trials: 1, warmup_epochs: 1, audit: 0.3}",
)
TRIALS = 5
STEPS = (
    "before the commit",
    "within the commit, with everything written",
    "after the commit",
    "before trial.json is written",
    "after trial.json was written",
)


def train(task: Task, on_epoch: OnEpoch) -> TrialResult:
    result = FakeTrain()(task, on_epoch)
    (task.folder / "model.keras").touch()
    return result


def sweep(folder: Path) -> int:
    """Run the sweep to its end; return the number of events."""
    events = 0

    class Counting(OptunaStudy):
        def _commit(self, *records: TrialRecord) -> None:
            nonlocal events
            events += 1
            super()._commit(*records)

    study = make_study(folder, SPACE)
    study.__class__ = Counting
    Supervisor(study, InlineExecutor(train), TrialSetting(PREPARED, STAMP, {}), []).run(TRIALS)
    return events


def sweep_in_child(folder: Path, event: int, step: str) -> int:
    """Run the sweep in a child, which is killed at this step of its event with this number; return how it ended."""
    pid = os.fork()
    if pid == 0:
        try:
            kill_at(event, step)
            sweep(folder)
        finally:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill_at(event: int, step: str) -> None:
    """Prepare the calling process to kill itself. Every commit begins an event."""
    events = 0

    def reached(name: str) -> None:
        if name == step and events == event:
            os.kill(os.getpid(), signal.SIGKILL)

    plain_commit: Callable[..., Any] = WorkingCopy.commit
    plain_write = write_record

    @contextmanager
    def commit(self: object) -> Iterator[Connection]:
        nonlocal events
        events += 1
        reached(STEPS[0])
        with plain_commit(self) as connection:
            yield connection
            reached(STEPS[1])
        reached(STEPS[2])

    def write(*arguments: Any, **options: Any) -> None:
        reached(STEPS[3])
        plain_write(*arguments, **options)
        reached(STEPS[4])

    patch = pytest.MonkeyPatch()
    patch.setattr(WorkingCopy, "commit", commit)
    patch.setattr(optuna_study, "write_record", write)


def results(folder: Path) -> list[Any]:
    """Return everything that a kill must not change: records without their times, and Optuna's trials."""
    records = [replace(r, started="", finished=None, timings={}) for r in read_records(folder)]
    trials = optuna.load_study(study_name="demo", storage=f"sqlite:///{folder}/study.db").trials
    facts = [(t.state, t.params, t.values, t.intermediate_values, t.user_attrs, t.system_attrs) for t in trials]
    return [records, facts]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, list[Any]]:
    """The number of events of a sweep that is not killed, and its results."""
    folder = tmp_path_factory.mktemp("undisturbed") / "demo"
    events = sweep(folder)
    states = [(record.state, record.audited_at) for record in read_records(folder)]
    assert {state for state, _ in states} == {"complete", "pruned"}
    assert any(audited for _, audited in states)
    return events, results(folder)


@pytest.mark.long
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_of_any_event_loses_nothing(
    tmp_path: Path, undisturbed: tuple[int, list[Any]], step: str
) -> None:
    events, expected = undisturbed
    kills = 0
    for event in range(1, events + 1):
        folder = tmp_path / str(event) / "demo"
        kills += sweep_in_child(folder, event, step) == -signal.SIGKILL
        sweep(folder)
        assert results(folder) == expected, f"killed at event {event}"
    # The five events without a record are the proposals.
    assert kills == (events - TRIALS if "trial.json" in step else events)


def test_kills_in_a_row_lose_nothing(tmp_path: Path, undisturbed: tuple[int, list[Any]]) -> None:
    kills = 0
    while sweep_in_child(tmp_path / "demo", 3, STEPS[kills % len(STEPS)]) == -signal.SIGKILL:
        kills += 1
    assert kills > TRIALS
    assert results(tmp_path / "demo") == undisturbed[1]
