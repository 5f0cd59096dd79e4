"""Shared by the tests of many rooms: small spaces, records, and training in closed form."""

from __future__ import annotations

import math
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweep.data.cache import Prepared
from sweep.errors import TrialFailure
from sweep.execution.executor import Outcome, Task, TrainTask
from sweep.records.held_file import HeldFile
from sweep.records.image_facts import DataStamp
from sweep.records.study_lock import LOCK_FILE
from sweep.records.study_records import DATABASE
from sweep.records.trial_record import TrialRecord
from sweep.records.trial_result import EpochMetrics, OnEpoch, TrialResult, best_epoch
from sweep.space.config import AugmentationConfig, DataConfig, TrainingConfig, TrialConfig
from sweep.space.model_sections import DropoutConfig, VggConfig
from sweep.space.reader import space_from_text
from sweep.space.space import Space
from sweep.study.open_study import open_study
from sweep.study.optuna_study import OptunaStudy, PendingTrial
from sweep.tracking.tracker import CloseState

LINE = """
study: demo
data: {name: digits}
model: {builder: vgg}
training: {epochs: 4, learning_rate: {low: 1.0e-4, high: 1.0, log: true}}
"""
"""A space of one parameter."""

TREE = """
study: demo
data: {name: digits}
model:
  builder: vgg
  blocks: {low: 1, high: 4}
  filters: {each: blocks, choices: [8, 16]}
  l2: {low: 1.0e-6, high: 1.0e-2, log: true, or: 0}
training:
  epochs: 9
  optimizer: [sgd, adam]
  momentum: {low: 0.8, high: 0.99, when: {optimizer: sgd}}
  learning_rate: {low: 1.0e-4, high: 1.0, log: true}
"""
"""A space with every kind of condition."""

STAMP = DataStamp(digest="d" * 64, split="5" * 64, train=100, validation=20, shape=(8, 8, 1), classes=("0", "1"))
PREPARED = Prepared("nowhere", "d" * 64, ("0", "1"), (8, 8, 1), 120, 30, "fake digits")
CONFIG = TrialConfig(
    data=DataConfig(name="digits"),
    model=VggConfig(dropout=DropoutConfig(schedule="listed", rates=(0.1, 0.2, 0.3))),
    training=TrainingConfig(epochs=4),
    augmentation=AugmentationConfig(),
    objective="val_accuracy",
    seed=42,
)


def make_space(text: str = LINE, search: str = "sampler: random, pruner: {name: none}", more: str = "") -> Space:
    """Return a space; `search` is the content of its search section."""
    return space_from_text(f"{text}\nsearch: {{{search}}}\n{more}", "demo.yaml")


def make_study(folder: Path, space: Space | None = None) -> OptunaStudy:
    """Open the study in `folder`, or create it."""
    space = space or make_space()
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / DATABASE).exists():
        (folder / DATABASE).write_bytes(_new_database(folder.name, space))
    return open_study(folder, space, threads=1, check_folder=lambda: None)


def _new_database(name: str, space: Space) -> bytes:
    """Return the database that `open_study` creates for a space. Cached: creating it takes a quarter of a second."""
    key = (name, repr(space))
    if key not in _NEW:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / name
            folder.mkdir()
            open_study(folder, space, threads=1, check_folder=lambda: None)
            with closing(sqlite3.connect(folder / DATABASE)) as connection:
                connection.execute("VACUUM INTO ?", (str(folder / "whole.db"),))
            _NEW[key] = (folder / "whole.db").read_bytes()
    return _NEW[key]


_NEW: dict[tuple[str, str], bytes] = {}


def lock_file(folder: Path) -> HeldFile:
    """Make the folder with a lock file, which no process holds, and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("ab") as stream:
        return HeldFile.of(stream.fileno(), folder / LOCK_FILE)


def take(study: OptunaStudy, total: int = 100) -> PendingTrial:
    """Return the next trial, which must exist."""
    pending = study.next(total)
    assert pending is not None
    return pending


def metrics(epoch: int, accuracy: float = 0.5, loss: float = 1.0) -> EpochMetrics:
    """Return the metrics of an epoch that took a second."""
    return EpochMetrics(
        epoch=epoch, loss=loss, accuracy=accuracy, val_loss=loss, val_accuracy=accuracy, learning_rate=0.01, seconds=1.0
    )


def make_record(number: int = 0, accuracies: tuple[float, ...] = (), **changes: Any) -> TrialRecord:
    """Return the record of a complete trial with these validation accuracies and `changes`."""
    epochs = tuple(metrics(epoch, accuracy) for epoch, accuracy in enumerate(accuracies, start=1))
    best = max(epochs, key=lambda epoch: epoch.val_accuracy, default=None)
    fields: dict[str, Any] = {
        "study": "demo",
        "number": number,
        "state": "complete",
        "config": CONFIG,
        "values": {"learning_rate": 0.001},
        "data": STAMP,
        "environment": {"version.python": "3.11"},
        "started": "2025-01-02T10:00:00+00:00",
        "epochs": epochs,
        "best_epoch": best.epoch if best else None,
        "objective_value": best.val_accuracy if best else None,
    }
    return TrialRecord(**fields | changes)


def record_for(study: OptunaStudy, pending: PendingTrial, **changes: Any) -> TrialRecord:
    """Return the record of a pending trial: complete after two epochs, unless `changes` override it."""
    fields: dict[str, Any] = {
        "study": study.name,
        "config": pending.config,
        "values": pending.values,
        "origin": pending.origin,
        "reason": "all epochs",
        "accuracies": (0.25, 0.5),
    }
    return make_record(pending.number, **fields | changes)


def run_trials(study: OptunaStudy, count: int) -> list[PendingTrial]:
    """Request trials and finish each as complete with 0.5."""
    done = []
    for _ in range(count):
        pending = take(study)
        study.finish(record_for(study, pending))
        done.append(pending)
    return done


def fake_epoch(config: TrialConfig, epoch: int) -> EpochMetrics:
    """Return an epoch of training in closed form: best at a learning rate of 0.01, better with every epoch."""
    quality = 1.0 / (1.0 + abs(math.log10(config.training.learning_rate) + 2.0))
    accuracy = quality * (1.0 - 0.5**epoch)
    return metrics(epoch, accuracy, loss=1.0 - accuracy)


def fake_result(config: TrialConfig, epochs: list[EpochMetrics], stopped: bool) -> TrialResult:
    """Return a result with a second of fitting per epoch, as in `metrics`, and half a second before the first."""
    return TrialResult(
        epochs=tuple(epochs),
        stop_reason="stopped" if stopped else "epochs",
        best_epoch=best_epoch(tuple(epochs), config.objective).epoch,
        parameters=1234,
        weights_digest="w" * 64,
        build_seconds=0.25,
        fit_seconds=0.5 + len(epochs),
        images_per_second=200.0,
        model_file=None if stopped else "model.keras",
    )


class FakeTrain:
    """Trains in closed form; the trials named in `failures` fail after their second epoch."""

    def __init__(self, failures: dict[int, TrialFailure] | None = None) -> None:
        self.failures = failures or {}

    def __call__(self, task: Task, on_epoch: OnEpoch) -> TrialResult:
        epochs: list[EpochMetrics] = []
        for epoch in range(1, task.config.training.epochs + 1):
            if epoch == 3 and task.number in self.failures:
                raise self.failures[task.number]
            epochs.append(fake_epoch(task.config, epoch))
            if on_epoch(epochs[-1]):
                return fake_result(task.config, epochs, stopped=True)
        return fake_result(task.config, epochs, stopped=False)


@dataclass
class MemoryTracker:
    """A tracker that keeps what it receives.

    Attributes:
        updates: every record in the order of arrival.
        state: from the first call of `close`; None while open.
    """

    updates: list[TrialRecord] = field(default_factory=list)
    state: CloseState | None = None

    @property
    def newest(self) -> dict[int, TrialRecord]:
        """The newest record of each trial, by number."""
        return {record.number: record for record in self.updates}

    def update(self, record: TrialRecord) -> None:
        if self.state is None:
            self.updates.append(record)

    def close(self, state: CloseState, timeout: float) -> bool:  # noqa: ARG002 - the signature of a tracker
        self.state = self.state or state
        return True

    @property
    def is_writing(self) -> bool:
        return False


class InlineExecutor:
    """An executor that trains in this process, one task at a time and whole within `wait`."""

    workers = 1

    def __init__(self, train: TrainTask) -> None:
        self._train = train
        self._waiting: list[tuple[Task, OnEpoch]] = []

    def submit(self, task: Task, on_epoch: OnEpoch) -> int:
        self._waiting.append((task, on_epoch))
        return 0

    def wait(self, seconds: float) -> list[Outcome]:  # noqa: ARG002 - the interface's signature
        if not self._waiting:
            return []
        task, on_epoch = self._waiting.pop(0)
        try:
            return [Outcome(task.number, self._train(task, on_epoch))]
        except TrialFailure as failure:
            return [Outcome(task.number, failure)]

    def close(self) -> None:
        self._waiting.clear()


class SteppedExecutor:
    """An executor whose tasks advance by one epoch with every `wait`, several at a time.

    Args:
        workers: how many tasks run at a time.
        killed: tasks that end as killed when their third epoch is due.
    """

    def __init__(self, workers: int = 2, killed: tuple[int, ...] = ()) -> None:
        self.workers = workers
        self._killed = killed
        self._slots: list[tuple[Task, OnEpoch, list[EpochMetrics]] | None] = [None] * workers
        self.closed = False

    def submit(self, task: Task, on_epoch: OnEpoch) -> int:
        worker = self._slots.index(None)
        self._slots[worker] = (task, on_epoch, [])
        return worker

    def wait(self, seconds: float) -> list[Outcome]:  # noqa: ARG002 - the interface's signature
        outcomes = []
        for worker, slot in enumerate(self._slots):
            outcome = self._step(*slot) if slot else None
            if outcome:
                self._slots[worker] = None
                outcomes.append(outcome)
        return outcomes

    def _step(self, task: Task, on_epoch: OnEpoch, epochs: list[EpochMetrics]) -> Outcome | None:
        if len(epochs) == 2 and task.number in self._killed:
            return Outcome(task.number, TrialFailure("killed", "ended by SIGTERM"))
        epochs.append(fake_epoch(task.config, len(epochs) + 1))
        stopped = on_epoch(epochs[-1])
        if stopped or len(epochs) == task.config.training.epochs:
            return Outcome(task.number, fake_result(task.config, epochs, stopped))
        return None

    def close(self) -> None:
        self.closed = True
        self._slots = [None] * self.workers
