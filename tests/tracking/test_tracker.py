"""The contract of every tracker."""

from __future__ import annotations

import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sweep.records.trial_record import TrialRecord
from sweep.tracking.open_mlflow import open_mlflow
from sweep.tracking.tracker import StudyInfo, Tracker
from tests.fakes import MemoryTracker
from tests.waiting import PATIENCE

MakeRecord = Callable[..., TrialRecord]


class TrackerContract(ABC):
    @pytest.fixture
    @abstractmethod
    def tracker(self) -> Tracker: ...

    @contextmanager
    def held_store(self) -> Iterator[None]:
        """Lock the store, if there is one, until the end of the block, as another process would."""
        yield

    def test_a_hundred_updates_do_not_wait_for_the_store(self, tracker: Tracker, make_record: MakeRecord) -> None:
        record = make_record(0, epochs=4)
        with self.held_store():
            start = time.perf_counter()
            for _ in range(100):
                tracker.update(record)
            assert time.perf_counter() - start < PATIENCE  # SQLite alone would wait 5 s each time
        assert tracker.close("finished", timeout=PATIENCE) is True

    def test_a_study_without_trials_closes(self, tracker: Tracker) -> None:
        assert tracker.close("interrupted", timeout=PATIENCE) is True

    def test_closing_twice_gives_the_same_answer(self, tracker: Tracker, make_record: MakeRecord) -> None:
        tracker.update(make_record(0))
        assert tracker.close("finished", timeout=PATIENCE) is True
        assert tracker.close("failed", timeout=PATIENCE) is True

    def test_updates_after_the_close_are_ignored(self, tracker: Tracker, make_record: MakeRecord) -> None:
        tracker.update(make_record(0))
        tracker.close("finished", timeout=PATIENCE)
        tracker.update(make_record(1))
        assert tracker.close("finished", timeout=PATIENCE) is True


class KeepsRecordsContract(TrackerContract):
    @abstractmethod
    def shown(self) -> dict[int, str]:
        """Return the states by trial number."""

    def test_the_newest_record_of_each_trial_is_shown(self, tracker: Tracker, make_record: MakeRecord) -> None:
        for record in (make_record(0), make_record(1), make_record(0, epochs=1), make_record(0, "pruned", epochs=2)):
            tracker.update(record)
        assert tracker.close("finished", timeout=PATIENCE) is True
        tracker.update(make_record(2))
        assert self.shown() == {0: "pruned", 1: "running"}


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
        self.database = home / "mlflow" / "mlflow.db"
        self.client = MlflowClient(f"sqlite:///{self.database}")
        return open_mlflow(info, None, home)

    @contextmanager
    def held_store(self) -> Iterator[None]:
        with closing(sqlite3.connect(self.database, PATIENCE, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield
            other.rollback()

    def shown(self) -> dict[int, str]:
        experiment = self.client.get_experiment_by_name("demo")
        assert experiment is not None
        runs = self.client.search_runs([experiment.experiment_id], "tags.`sweep.kind` = 'trial'")
        return {int(run.data.tags["sweep.trial"]): run.data.tags["sweep.state"] for run in runs}
