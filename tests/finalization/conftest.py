from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from sweep.data.cache import Prepared
from sweep.data.loading import load
from sweep.data.preparation import prepare
from sweep.errors import TrialFailure
from sweep.execution.executor import Task
from sweep.execution.supervisor import TrialSetting
from sweep.finalization.final_comparison import FinalComparison
from sweep.finalization.repeats import RepeatPlan
from sweep.records.trial_record import TrialRecord
from sweep.records.trial_result import EpochMetrics, OnEpoch, TrialResult
from sweep.space.config import DataConfig
from tests.fakes import InlineExecutor, lock_file, make_record

DIGITS = DataConfig(name="digits", limit=200, validation=0.2)
Outcome = float | str
Script = Mapping[int, Sequence[Outcome | list[Outcome]]]
"""The result of each round by trial: a validation accuracy or a cause of failure; a list has one per attempt."""


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(DIGITS, tmp_path_factory.mktemp("cache"))


@pytest.fixture
def finalist(prepared: Prepared) -> Callable[..., TrialRecord]:
    """A complete trial of digits."""
    stamp = load(prepared, DIGITS).stamp

    def make(number: int, value: float = 0.9, parameters: int = 1000) -> TrialRecord:
        record = make_record(number, (value / 2, value), parameters=parameters, data=stamp, timings={"total": 10.0})
        return dataclasses.replace(record, config=dataclasses.replace(record.config, data=DIGITS))

    return make


class Scripted:
    """Training that returns the results of a script, in this process.

    Attributes:
        tasks: the tasks that ran, in order.
    """

    def __init__(self, script: Script, prepared: Prepared, folder: Path, folds: int | None = None) -> None:
        self._script = script
        self.plan = RepeatPlan(folder, 11, folds, lock_file(folder))
        self._setting = TrialSetting(prepared, load(prepared, DIGITS).stamp, {"version.python": "3.11"})
        self.tasks: list[Task] = []
        self.reported: list[tuple[int, int, str]] = []

    def comparison(self, *finalists: TrialRecord) -> FinalComparison:
        """Return a comparison of the finalists that reads and writes the plan's folder."""
        return FinalComparison(finalists, self.plan, InlineExecutor(self._train), self._setting, self._report)

    def _report(self, record: TrialRecord, number: int) -> None:
        self.reported.append((record.number, number, record.state))

    def _train(self, task: Task, on_epoch: OnEpoch) -> TrialResult:
        self.tasks.append(task)
        outcome = self._script[task.number][int(task.folder.name) - 1]
        if isinstance(outcome, list):
            outcome = outcome.pop(0)
        if isinstance(outcome, str):
            raise TrialFailure(outcome, "as the script says")  # type: ignore[arg-type]  # a cause
        epochs = tuple(EpochMetrics(e, 1.0, 0.5, 1.0, v, 0.01 / e, 1.0) for e, v in enumerate((0.1, outcome), start=1))
        for metrics in epochs:
            on_epoch(metrics)
        return TrialResult(epochs, "epochs", 2, 1000, "w" * 64, 0.1, 2.0, 100.0)


@pytest.fixture
def scripted(prepared: Prepared, tmp_path: Path) -> Callable[..., Scripted]:
    def make(script: Script, folds: int | None = None) -> Scripted:
        return Scripted(script, prepared, tmp_path / "studies" / "demo", folds)

    return make
