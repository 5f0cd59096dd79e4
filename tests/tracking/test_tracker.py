"""One contract for every tracker."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sweep.records.trial_record import TrialRecord
from sweep.tracking.open_mlflow import open_mlflow
from sweep.tracking.tracker import MemoryTracker, NoTracker, StudyInfo, Tracker

MakeRecord = Callable[..., TrialRecord]


class TrackerContract(ABC):
    @pytest.fixture
    @abstractmethod
    def tracker(self) -> Tracker: ...

    def test_a_hundred_updates_wait_for_no_store(self, tracker: Tracker, make_record: MakeRecord) -> None:
        record = make_record(0, epochs=4)
        start = time.perf_counter()
        for _ in range(100):
            tracker.update(record)
        assert time.perf_counter() - start < 2.0  # written one by one they would take longer, on any machine
        assert tracker.close("finished", timeout=30.0) is True

    def test_a_study_without_trials_closes(self, tracker: Tracker) -> None:
        assert tracker.close("interrupted", timeout=30.0) is True

    def test_closing_twice_gives_the_same_answer(self, tracker: Tracker, make_record: MakeRecord) -> None:
        tracker.update(make_record(0))
        assert tracker.close("finished", timeout=30.0) is True
        assert tracker.close("failed", timeout=30.0) is True

    def test_updates_after_the_close_are_ignored(self, tracker: Tracker, make_record: MakeRecord) -> None:
        tracker.update(make_record(0))
        tracker.close("finished", timeout=30.0)
        tracker.update(make_record(1))
        assert tracker.close("finished", timeout=30.0) is True


class KeepsRecordsContract(TrackerContract):
    @abstractmethod
    def shown(self) -> dict[int, str]:
        """State by trial number."""

    def test_the_newest_record_of_each_trial_is_shown(self, tracker: Tracker, make_record: MakeRecord) -> None:
        for record in (make_record(0), make_record(1), make_record(0, epochs=1), make_record(0, "pruned", epochs=2)):
            tracker.update(record)
        assert tracker.close("finished", timeout=30.0) is True
        tracker.update(make_record(2))
        assert self.shown() == {0: "pruned", 1: "running"}


class TestNoTracker(TrackerContract):
    @pytest.fixture
    def tracker(self) -> Tracker:
        return NoTracker()


class TestMemoryTracker(KeepsRecordsContract):
    @pytest.fixture
    def tracker(self) -> Tracker:
        self.memory = MemoryTracker()
        return self.memory

    def shown(self) -> dict[int, str]:
        return {number: record.state for number, record in self.memory.newest.items()}

    def test_the_first_state_is_kept(self) -> None:
        tracker = MemoryTracker()
        tracker.close("interrupted", timeout=0.0)
        tracker.close("finished", timeout=0.0)
        assert tracker.state == "interrupted"


class TestMlflowTracker(KeepsRecordsContract):
    @pytest.fixture
    def tracker(self, info: StudyInfo, home: Path) -> Tracker:
        self.client = MlflowClient(f"sqlite:///{home}/mlflow/mlflow.db")
        return open_mlflow(info, None, home)

    def shown(self) -> dict[int, str]:
        experiment = self.client.get_experiment_by_name("demo")
        assert experiment is not None
        runs = self.client.search_runs([experiment.experiment_id], "tags.`sweep.kind` = 'trial'")
        return {int(run.data.tags["sweep.trial"]): run.data.tags["sweep.state"] for run in runs}
