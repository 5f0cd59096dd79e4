from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweep.records.image_facts import DataStamp
from sweep.records.trial_record import TrialRecord, TrialState
from sweep.records.trial_result import EpochMetrics
from sweep.space.config import AugmentationConfig, DataConfig, TrainingConfig, TrialConfig
from sweep.space.model_sections import VggConfig
from sweep.tracking.open_mlflow import prepare_environment, sync_study
from sweep.tracking.tracker import StudyInfo

# The test modules import mlflow, which reads its settings once.
prepare_environment()

CONFIG = TrialConfig(
    data=DataConfig(),
    model=VggConfig(),
    training=TrainingConfig(),
    augmentation=AugmentationConfig(),
    objective="val_accuracy",
    seed=42,
)
STAMP = DataStamp(
    digest="d" * 64, split="5" * 64, train=45000, validation=5000, shape=(32, 32, 3), classes=("cat", "dog")
)
VAL_ACCURACY = (0.5, 0.625, 0.75, 0.6875)
RATES = (0.001, 0.001, 0.0005, 0.0005)


def epochs_until(last: int) -> tuple[EpochMetrics, ...]:
    """Return up to four epochs; the third epoch is the best, and the learning rate drops before it."""
    return tuple(
        EpochMetrics(
            epoch=epoch,
            loss=2.0 / epoch,
            accuracy=0.25 * epoch,
            val_loss=2.5 / epoch,
            val_accuracy=VAL_ACCURACY[epoch - 1],
            learning_rate=RATES[epoch - 1],
            seconds=1.5,
        )
        for epoch in range(1, last + 1)
    )


def build_record(number: int = 0, state: TrialState = "running", epochs: int = 0, **changes: Any) -> TrialRecord:
    """A trial of study `demo` that starts at `number` minutes past ten and ends half a minute later."""
    done = epochs_until(epochs)
    best = max(done, key=lambda metrics: metrics.val_accuracy, default=None)
    fields: dict[str, Any] = {
        "study": "demo",
        "number": number,
        "state": state,
        "config": CONFIG,
        "values": {"learning_rate": 0.001, "blocks": 3, "batch_norm": True, "head": None},
        "data": STAMP,
        "environment": {"python": "3.11"},
        "started": f"2025-01-02T10:{number:02d}:00+00:00",
        "finished": None if state == "running" else f"2025-01-02T10:{number:02d}:30+00:00",
        "epochs": done,
        "best_epoch": best.epoch if best else None,
        "objective_value": best.val_accuracy if best and state != "failed" else None,
        "parameters": 1234 if done else None,
    }
    return TrialRecord(**fields | changes)


@pytest.fixture
def make_record() -> Callable[..., TrialRecord]:
    return build_record


@pytest.fixture
def info() -> StudyInfo:
    return StudyInfo(
        name="demo",
        id="1" * 32,
        space="model:\n  blocks: [2, 3]\n",
        objective="val_accuracy",
        folder=Path("studies/demo"),
    )


@pytest.fixture(autouse=True)
def no_tracking_uri(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with its tables and another experiment: creating the tables takes seconds, copying them no time."""
    home = tmp_path_factory.mktemp("template")
    other = StudyInfo(name="other", id="2" * 32, space="", objective="val_loss", folder=Path("studies/other"))
    sync_study(other, [], f"sqlite:///{home}/mlflow.db", home)
    return home / "mlflow.db"


@pytest.fixture
def home(tmp_path: Path, database: Path) -> Path:
    """A home, with a space in its path, whose local store has its tables."""
    folder = tmp_path / "my home"
    (folder / "mlflow").mkdir(parents=True)
    shutil.copy(database, folder / "mlflow" / "mlflow.db")
    return folder
