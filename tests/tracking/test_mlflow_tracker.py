from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from sweep.records.trial_record import TrialRecord
from sweep.tracking.mlflow_tracker import MlflowTracker, Store
from sweep.tracking.run_entry import RunStatus
from tests.waiting import PATIENCE, wait_until

MakeRecord = Callable[..., TrialRecord]


@dataclass
class ListStore:
    """A store that keeps what it receives; `refuses` lists the trials that it does not accept."""

    trials: list[tuple[int, int]] = field(default_factory=list)
    studies: list[RunStatus] = field(default_factory=list)
    refuses: set[int] = field(default_factory=set)
    asked: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)
    models: int = 0

    def sync_trial(self, record: TrialRecord) -> None:
        self.asked.set()
        self.gate.wait(PATIENCE)
        if record.number in self.refuses:
            raise OSError(f"trial {record.number} refused")
        self.trials.append((record.number, len(record.epochs)))

    def sync_study(self, status: RunStatus, ended: int | None) -> None:
        assert (ended is None) == (status == "RUNNING")
        self.studies.append(status)

    def sync_models(self) -> None:
        self.models += 1


def mirror(connect: Callable[[], Store]) -> MlflowTracker:
    return MlflowTracker(connect, interval=0.0, pause=0.01, longest_pause=0.02)


def test_while_the_store_is_busy_only_the_newest_record_of_a_trial_waits(make_record: MakeRecord) -> None:
    store = ListStore()
    tracker = mirror(lambda: store)
    tracker.update(make_record(9))
    store.asked.wait(PATIENCE)
    for epochs in range(5):
        tracker.update(make_record(0, epochs=epochs))
        tracker.update(make_record(1, epochs=epochs))
    store.gate.set()
    assert tracker.close("finished", timeout=PATIENCE) is True
    assert store.trials == [(9, 0), (0, 4), (1, 4)]


@pytest.mark.parametrize(
    ("state", "status", "models"), [("finished", "FINISHED", 1), ("interrupted", "KILLED", 0), ("failed", "FAILED", 1)]
)
def test_the_study_ends_as_the_sweep_did_and_its_models_are_logged_unless_it_was_interrupted(
    make_record: MakeRecord, state: str, status: str, models: int
) -> None:
    store = ListStore()
    store.gate.set()
    tracker = mirror(lambda: store)
    tracker.update(make_record(0))
    wait_until(lambda: store.studies == ["RUNNING"])
    assert tracker.close(state, timeout=PATIENCE) is True  # type: ignore[arg-type]
    assert store.studies == ["RUNNING", status]
    assert store.models == models


def test_a_refused_trial_does_not_hold_up_the_others_and_is_sent_again(make_record: MakeRecord) -> None:
    store = ListStore(refuses={0})
    store.gate.set()
    tracker = mirror(lambda: store)
    for number in range(3):
        tracker.update(make_record(number))
    wait_until(lambda: {(1, 0), (2, 0)} <= set(store.trials))
    store.refuses.clear()
    assert tracker.close("finished", timeout=PATIENCE) is True
    assert (0, 0) in store.trials


def test_close_returns_false_if_a_trial_is_never_accepted(make_record: MakeRecord) -> None:
    store = ListStore(refuses={0})
    store.gate.set()
    tracker = mirror(lambda: store)
    tracker.update(make_record(0))
    tracker.update(make_record(1))
    assert tracker.close("finished", timeout=PATIENCE) is False
    assert tracker.is_writing is False
    assert (1, 0) in store.trials
    assert repr(tracker.error) == "OSError('trial 0 refused')"


def test_a_failed_record_does_not_replace_a_newer_one(make_record: MakeRecord) -> None:
    store = ListStore(refuses={0})
    tracker = mirror(lambda: store)
    tracker.update(make_record(0, epochs=1))
    store.asked.wait(PATIENCE)
    tracker.update(make_record(0, epochs=2))
    store.gate.set()
    wait_until(lambda: tracker.error is not None)
    store.refuses.clear()
    assert tracker.close("finished", timeout=PATIENCE) is True
    assert store.trials == [(0, 2)]


def test_connecting_is_repeated_until_it_succeeds_with_one_warning(
    make_record: MakeRecord, caplog: pytest.LogCaptureFixture
) -> None:
    store, attempts = ListStore(), []
    store.gate.set()

    def connect() -> Store:
        attempts.append(1)
        if len(attempts) < 4:
            raise ConnectionRefusedError("nothing there")
        return store

    with caplog.at_level(logging.INFO, logger="sweep.tracking"):
        tracker = mirror(connect)
        tracker.update(make_record(0))
        wait_until(lambda: len(store.trials) == 1)
        assert tracker.close("finished", timeout=PATIENCE) is True
    assert len(attempts) == 4
    assert [(entry.levelname, entry.name) for entry in caplog.records] == [("WARNING", "sweep.tracking")]
    assert "Cause: ConnectionRefusedError: nothing there" in caplog.text


def test_neither_update_nor_close_waits_for_a_store_that_never_answers(make_record: MakeRecord) -> None:
    store = ListStore()
    tracker = mirror(lambda: store)
    for _ in range(1000):
        tracker.update(make_record(0))
    tracker.update(make_record(1))
    assert tracker.close("finished", timeout=0.1) is False
    assert store.trials == []  # the store has not answered yet
    assert tracker.is_writing is True
    store.gate.set()
    assert tracker.close("finished", timeout=PATIENCE) is True


def test_pauses_double_up_to_the_longest() -> None:
    tracker = MlflowTracker(ListStore, interval=0.5, pause=1.0, longest_pause=60.0)
    pauses = [tracker._pause_after(failures) for failures in (0, 1, 2, 3, 6, 7, 8, 5000)]
    assert pauses == [0.5, 1.0, 2.0, 4.0, 32.0, 60.0, 60.0, 60.0]
    tracker.close("finished", timeout=PATIENCE)


def test_short_epochs_are_written_in_one_batch(make_record: MakeRecord) -> None:
    records = [make_record(0, epochs=epochs) for epochs in range(5)]
    found = (written_of(records, interval) for interval in (0.1, 1.0, 10.0))
    assert next(filter(None, found)) == [(0, 4)]


def written_of(records: list[TrialRecord], interval: float) -> list[tuple[int, int]] | None:
    """Return what is written of records that arrive within one interval; None if a busy machine needed longer."""
    store = ListStore()
    store.gate.set()
    started = time.monotonic()
    tracker = MlflowTracker(lambda: store, interval=interval)
    for record in records:
        tracker.update(record)
        time.sleep(0.005)
    took = time.monotonic() - started
    wait_until(lambda: store.trials)
    tracker.close("finished", timeout=PATIENCE)
    return store.trials if took < interval else None
