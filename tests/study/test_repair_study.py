"""Repairing a study after each fault: the database is rebuilt, the records stay, and the study continues."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

import sweep.study.repair_study
from sweep.errors import StudyError
from sweep.records.trial_record import read_record, write_record
from sweep.space.space import Space
from sweep.space.writer import space_to_yaml
from sweep.study.repair_study import repair_study
from tests.fakes import LINE, TREE, make_space, make_study, run_trials, take
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
    done = repair_study(whole, lambda: None)
    assert done.fault is not None
    assert (done.lost, done.restored) == ((), ())
    assert done.states == {"complete": 3, "failed": 2, "pruned": 5, "interrupted": 2}
    assert records(whole) == records(undisturbed)
    assert stored(whole) == stored(undisturbed)
    assert repair_study(whole, lambda: None).fault is None
    twin = shutil.copytree(undisturbed, whole.parents[1] / "twin" / "demo")
    assert proposals(whole, SPACE, 5) == proposals(twin, SPACE, 5)


@pytest.mark.parametrize("search", ["sampler: random", "sampler: grid"])
def test_the_samplers_without_a_model_continue_as_before(tmp_path: Path, search: str) -> None:
    rates = "[0.5, 0.25, 0.125, 0.0625, 0.03125, 0.01, 0.001]"
    space = make_space(LINE.replace("{low: 1.0e-4, high: 1.0, log: true}", rates), search)
    folder = tmp_path / "studies" / "demo"
    run_supervised(folder, space, 4)
    twin = shutil.copytree(folder, tmp_path / "twin" / "demo")
    removed(folder)
    repair_study(folder, lambda: None)
    assert proposals(folder, space, 3) == proposals(twin, space, 3)


def test_a_quasi_random_sequence_continues_and_does_not_start_again(tmp_path: Path) -> None:
    space = make_space(search="sampler: qmc")
    folder = tmp_path / "studies" / "demo"
    run_supervised(folder, space, 6)
    twin = shutil.copytree(folder, tmp_path / "twin" / "demo")
    removed(folder)
    assert repair_study(folder, lambda: None).sampler == "qmc"
    assert proposals(folder, space, 3) == proposals(twin, space, 3)


def test_a_killed_trial_is_resumed_with_its_values(whole: Path) -> None:
    """A killed supervisor leaves `running` in the record."""
    record = read_record(trial_folder(whole, 11))
    write_record(trial_folder(whole, 11), replace(record, state="running", reason=""))
    removed(whole)
    assert repair_study(whole, lambda: None).states == {
        "complete": 3,
        "failed": 2,
        "pruned": 5,
        "interrupted": 1,
        "running": 1,
    }
    study = make_study(whole, SPACE)
    assert study.interrupted_trials() == (10, 11)
    take(study)
    pending = take(study)
    assert (pending.number, pending.values, pending.config) == (11, record.values, record.config)
    assert pending.earlier is not None
    assert len(pending.earlier.epochs) == 2


def test_if_database_and_records_agree_nothing_changes(whole: Path) -> None:
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    done = repair_study(whole, lambda: None)
    assert (done.fault, done.moved, done.restored) == (None, (), ())
    assert {path: path.read_bytes() for path in before} == before


def test_a_damaged_record_of_an_agreeing_study_is_restored(whole: Path, undisturbed: Path) -> None:
    (trial_folder(whole, 4) / "trial.json").write_text("{")
    done = repair_study(whole, lambda: None)
    assert done.fault is None
    (sentence,) = done.restored
    assert sentence.endswith("and the record was restored from the study's database")
    assert records(whole) == records(undisturbed)


def test_missing_and_damaged_records_are_restored_from_a_damaged_database(whole: Path, undisturbed: Path) -> None:
    (trial_folder(whole, 4) / "trial.json").write_text("{")
    shutil.rmtree(trial_folder(whole, 5))
    shutil.rmtree(trial_folder(whole, 11))
    damage_table(whole, "trial_values")
    done = repair_study(whole, lambda: None)
    assert done.lost == ()
    assert [sentence.partition(":")[0] for sentence in done.restored] == ["trial 4", "trial 5", "trial 11"]
    assert records(whole) == records(undisturbed)
    assert stored(whole) == stored(undisturbed)


def damage_table(folder: Path, table: str) -> None:
    """Overwrite the first page of a table of the database with zeros."""
    with closing(sqlite3.connect(folder / "study.db")) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with (folder / "study.db").open("r+b") as stream:
        stream.seek((page - 1) * size)
        stream.write(bytes(size))


def test_the_newer_one_of_a_record_and_its_copy_counts(whole: Path, undisturbed: Path) -> None:
    for number in (0, 10):
        record = read_record(trial_folder(whole, number))
        write_record(trial_folder(whole, number), replace(record, state="running", epochs=record.epochs[:1]))
    ahead = replace(read_record(trial_folder(whole, 11)), state="complete", reason="all epochs")
    write_record(trial_folder(whole, 11), ahead)
    damage_table(whole, "trial_values")
    repair_study(whole, lambda: None)
    for number in (0, 10):
        before, after = read_record(trial_folder(undisturbed, number)), read_record(trial_folder(whole, number))
        assert (after.state, after.epochs) == (before.state, before.epochs)
    assert read_record(trial_folder(whole, 11)) == ahead
    states = [trial["state"] for trial in stored(whole)]
    assert (states[0], states[10], states[11]) == (TrialState.COMPLETE, TrialState.RUNNING, TrialState.COMPLETE)


def test_a_trial_without_record_and_copy_fails_under_its_number(whole: Path, undisturbed: Path) -> None:
    shutil.rmtree(trial_folder(whole, 4))
    (trial_folder(whole, 6) / "trial.json").write_text("{")
    removed(whole)
    done = repair_study(whole, lambda: None)
    assert done.lost == (4, 6)
    (sentence,) = done.restored
    assert sentence.startswith("trial 6: ")
    after, before = stored(whole), stored(undisturbed)
    for number in (4, 6):
        assert (after[number]["state"], after[number]["params"]) == (TrialState.FAIL, {})
    assert [trial for trial in after if trial["number"] not in (4, 6)] == [
        trial for trial in before if trial["number"] not in (4, 6)
    ]
    assert repair_study(whole, lambda: None).fault is None


def test_only_start_points_that_were_not_tried_are_enqueued(tmp_path: Path) -> None:
    """Trials 2 and 3 fail; they were tried too."""
    rates = (0.5, 0.25, 0.125, 0.0625, 0.03125)
    starts = f"start_from: [{', '.join(f'{{learning_rate: {rate}}}' for rate in rates)}]"
    space = make_space(more=starts)
    folder = tmp_path / "studies" / "demo"
    run_supervised(folder, space, 4)
    before = stored(folder)
    removed(folder)
    assert repair_study(folder, lambda: None).waiting == 1
    assert stored(folder) == before
    trials = run_trials(make_study(folder, space), 2)
    assert [(trial.number, trial.values["learning_rate"] == 0.03125) for trial in trials] == [(4, True), (5, False)]


def test_without_a_space_file_the_space_comes_from_the_old_database(whole: Path, undisturbed: Path) -> None:
    (whole / "space.yaml").unlink()
    damage_table(whole, "trial_values")
    repair_study(whole, lambda: None)
    assert stored(whole) == stored(undisturbed)


def test_without_any_space_the_study_is_not_changed(whole: Path) -> None:
    (whole / "space.yaml").write_text("model: [")
    no_database_file(whole)
    with pytest.raises(StudyError) as caught:
        repair_study(whole, lambda: None)
    assert str(caught.value).startswith(
        "the database of the study demo cannot be rebuilt, because its space is neither"
    )
    assert "\n" not in str(caught.value)
    assert (whole / "study.db").read_text() == "my notes"


def test_records_of_another_space_are_refused_and_nothing_is_changed(whole: Path) -> None:
    (whole / "space.yaml").write_text(space_to_yaml(make_space(TREE.replace("epochs: 9", "epochs: 8"))))
    removed(whole)
    before = records(whole)
    with pytest.raises(StudyError) as caught:
        repair_study(whole, lambda: None)
    assert str(caught.value).startswith(
        "the folders of these trials hold records that are not of the study demo: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 "
        "(trial 0 is not a point of space.yaml: training.epochs: 9 -> 8)"
    )
    assert records(whole) == before
    assert not (whole / "study.db").exists()


def test_a_record_of_another_trial_is_refused(whole: Path) -> None:
    shutil.copytree(trial_folder(whole, 3), trial_folder(whole, 12))
    removed(whole)
    with pytest.raises(StudyError, match=r"demo: 12 .trial 12 has the record of trial 3 of the study demo"):
        repair_study(whole, lambda: None)


def test_copies_in_the_database_of_another_study_are_not_used(whole: Path) -> None:
    another_study(whole)
    shutil.rmtree(trial_folder(whole, 4))
    done = repair_study(whole, lambda: None)
    assert done.lost == (4,)
    assert not (trial_folder(whole, 4) / "trial.json").exists()


def test_earlier_files_that_were_moved_aside_are_kept(whole: Path) -> None:
    no_database_file(whole)
    assert repair_study(whole, lambda: None).moved == ("study.db.damaged",)
    keep_log(whole, whole)
    (whole / "study.db").unlink()
    assert repair_study(whole, lambda: None).moved == ("study.db.damaged.2-wal", "study.db.damaged.2-shm")
    assert (whole / "study.db.damaged").read_text() == "my notes"
    (whole / "study.db").write_text("other notes")
    assert repair_study(whole, lambda: None).moved[0] == "study.db.damaged.3"
    assert (whole / "study.db.damaged.3").read_text() == "other notes"


def test_a_folder_without_a_study_has_nothing_to_repair(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    with pytest.raises(StudyError, match="there is no study demo in "):
        repair_study(tmp_path / "demo", lambda: None)


def test_a_study_without_trials_can_be_rebuilt(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    make_study(folder)
    (folder / "space.yaml").write_text(space_to_yaml(make_space()))
    no_database_file(folder)
    for name in ("study.db-wal", "study.db-shm"):
        (folder / name).unlink(missing_ok=True)
    assert repair_study(folder, lambda: None).states == {}
    assert make_study(folder).count_started() == 0


def test_a_repair_that_is_killed_before_the_new_database_is_in_its_place_loses_nothing(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(trial_folder(whole, 3))
    damage_table(whole, "trial_values")
    monkeypatch.setattr(sweep.study.repair_study, "move_into_place", killed)
    with pytest.raises(KeyboardInterrupt):
        repair_study(whole, lambda: None)
    monkeypatch.undo()
    assert repair_study(whole, lambda: None).lost == ()
    assert read_record(trial_folder(whole, 3)).state == "failed"


def killed(*_arguments: object) -> None:
    raise KeyboardInterrupt
