"""A study with trials in every state, and ways to damage its folder."""

from __future__ import annotations

import gc
import itertools
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sweep.errors import TrialFailure
from sweep.execution.supervisor import Supervisor, TrialSetting
from sweep.space.space import Space
from sweep.space.writer import space_to_yaml
from tests.fakes import PREPARED, STAMP, TREE, FakeTrain, InlineExecutor, SteppedExecutor, make_space, make_study

SPACE = make_space(
    TREE, "sampler: tpe, startup_trials: 3, seed: 5, pruner: {name: median, startup_trials: 2, warmup_epochs: 3}"
)
"""A space with every kind of condition, searched with TPE and median pruning."""


def run_supervised(folder: Path, space: Space, total: int) -> None:
    """Run trials to their end; trial 2 fails because of its values, and trial 3 because of a bug."""
    failures = {2: TrialFailure("nan", "the loss is NaN"), 3: TrialFailure("bug", "a typing error")}
    executor = InlineExecutor(FakeTrain(failures))
    Supervisor(make_study(folder, space), executor, TrialSetting(PREPARED, STAMP, {}), []).run(total)
    (folder / "space.yaml").write_text(space_to_yaml(space))
    close_database(folder)


def interrupt(folder: Path, space: Space, total: int) -> None:
    """Start trials, two at a time, and stop them after two epochs each."""
    steps = itertools.count()
    setting = TrialSetting(PREPARED, STAMP, {})
    Supervisor(make_study(folder, space), SteppedExecutor(), setting, []).run(total, lambda: next(steps) >= 2)
    close_database(folder)


def close_database(folder: Path) -> None:
    """Move everything from the log into `study.db`, and remove the log."""
    gc.collect()
    with closing(sqlite3.connect(folder / "study.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for name in ("study.db-wal", "study.db-shm"):
        (folder / name).unlink(missing_ok=True)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with ten trials that have ended in every way, and two that were interrupted; no test changes it."""
    folder = tmp_path_factory.mktemp("undisturbed") / "demo"
    run_supervised(folder, SPACE, 10)
    interrupt(folder, SPACE, 12)
    return folder


@pytest.fixture
def whole(tmp_path: Path, undisturbed: Path) -> Path:
    """A copy of this study."""
    return shutil.copytree(undisturbed, tmp_path / "studies" / "demo")
