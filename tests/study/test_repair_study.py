"""Repairing a study after each fault: the database is rebuilt, the records stay, and the study continues."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest

from sweep.space.space import Space
from sweep.study.repair_study import repair_study
from tests.fakes import make_study, run_trials
from tests.study.conftest import SPACE, run_supervised


def stored(folder: Path) -> list[dict[str, Any]]:
    """Return what samplers and pruners read from the database, of each trial."""
    trials = optuna.load_study(study_name="demo", storage=f"sqlite:///{folder}/study.db").get_trials()
    names = ("number", "state", "values", "params", "distributions", "intermediate_values", "user_attrs", "constraints")
    return [{name: getattr(trial, name) for name in names} for trial in trials]


def records(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("trials/*/trial.json")}


def proposals(folder: Path, space: Space, count: int) -> list[object]:
    """Return the numbers and values of the next trials: the interrupted ones first."""
    return [(trial.number, trial.values) for trial in run_trials(make_study(folder, space), count)]


def trial_folder(folder: Path, number: int) -> Path:
    return folder / "trials" / f"{number:04d}"


def damaged_pages(folder: Path) -> None:
    content = bytearray((folder / "study.db").read_bytes())
    content[4096 * 3 : 4096 * 12] = random.Random(1).randbytes(4096 * 9)
    (folder / "study.db").write_bytes(content)


def half_a_database(folder: Path) -> None:
    content = (folder / "study.db").read_bytes()
    (folder / "study.db").write_bytes(content[: len(content) // 2])


def no_database_file(folder: Path) -> None:
    (folder / "study.db").write_text("my notes")


def removed(folder: Path) -> None:
    (folder / "study.db").unlink()


def removed_except_the_log(folder: Path) -> None:
    keep_log(folder, folder)
    (folder / "study.db").unlink()


def keep_log(folder: Path, target: Path) -> None:
    """Change the database and copy it to `target` with the log that contains the change."""
    with closing(sqlite3.connect(folder / "study.db")) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        with connection:
            connection.execute("CREATE TABLE later (x)")
        files = {name: (folder / name).read_bytes() for name in ("study.db", "study.db-wal", "study.db-shm")}
    for name, content in files.items():
        (target / name).write_bytes(content)


def an_earlier_state(folder: Path) -> Path:
    """Return a copy of the study as it was after seven trials."""
    run_supervised(folder.parents[1] / "earlier" / "demo", SPACE, 7)
    return shutil.copytree(folder.parents[1] / "earlier", folder.parents[1] / "older") / "demo"


def older_copy(folder: Path) -> None:
    shutil.copy(an_earlier_state(folder) / "study.db", folder / "study.db")


def older_copy_with_its_log(folder: Path) -> None:
    keep_log(an_earlier_state(folder), folder)


def older_copy_with_the_newer_log(folder: Path) -> None:
    keep_log(folder, folder)
    older_copy(folder)


def another_study(folder: Path) -> None:
    run_supervised(folder.parents[1] / "other" / "another", SPACE, 5)
    shutil.copy(folder.parents[1] / "other" / "another" / "study.db", folder / "study.db")


def a_database_of_mlflow(folder: Path) -> None:
    (folder / "study.db").unlink()
    with closing(sqlite3.connect(folder / "study.db")) as connection, connection:
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER, name TEXT)")


def another_version(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "study.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v9.9.9'")


def a_folder(folder: Path) -> None:
    (folder / "study.db").unlink()
    (folder / "study.db").mkdir()


FAULTS = [
    damaged_pages,
    half_a_database,
    no_database_file,
    removed,
    removed_except_the_log,
    older_copy,
    older_copy_with_its_log,
    older_copy_with_the_newer_log,
    another_study,
    a_database_of_mlflow,
    another_version,
    a_folder,
]


@pytest.mark.parametrize("damage", FAULTS)
def test_after_a_repair_the_study_is_the_same(whole: Path, undisturbed: Path, damage: Callable[[Path], None]) -> None:
    damage(whole)
    done = repair_study(whole)
    assert done.fault is not None
    assert (done.lost, done.restored) == ((), ())
    assert done.states == {"complete": 3, "failed": 2, "pruned": 5, "interrupted": 2}
    assert records(whole) == records(undisturbed)
    assert stored(whole) == stored(undisturbed)
    assert repair_study(whole).fault is None
    twin = shutil.copytree(undisturbed, whole.parents[1] / "twin" / "demo")
    assert proposals(whole, SPACE, 5) == proposals(twin, SPACE, 5)
