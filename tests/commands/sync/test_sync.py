"""Rebuild MLflow runs from a study's folder, field by field."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Metric

from sweep.commands.sync import sync_with_mlflow
from sweep.errors import StudyError, TrackingError
from sweep.records.study_id import study_id
from sweep.records.study_lock import StudyLock
from sweep.records.study_records import read_records
from sweep.tracking.open_mlflow import SyncReport, add_report_to_mlflow, open_mlflow, sync_study
from sweep.tracking.tracker import StudyInfo
from tests.commands.sync.conftest import find_run, snapshot
from tests.waiting import PATIENCE

NAMES = [
    "0000 0.750",
    "0001 pruned@2",
    "0002 failed nan",
    "0003 0.625",
    "0004 0.500",
    "0005 interrupted",
    "0006 interrupted",
    "demo",
]


def sync(home: Path, uri: str | None = None) -> None:
    """Run the command."""
    sync_with_mlflow(home, "demo", uri, as_json=False)


def counts(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the printed numbers of created, updated and unchanged runs."""
    return capsys.readouterr().out.rpartition("mlflow.db: ")[2].rpartition(",")[0]


def test_an_empty_store_gets_all_runs_and_a_second_sync_changes_nothing(
    home: Path, local: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sync(home)
    assert counts(capsys) == "7 runs created, 0 updated, 0 unchanged"
    first = snapshot(local)
    assert sorted(first) == NAMES
    sync(home)
    assert counts(capsys) == "0 runs created, 0 updated, 7 unchanged"
    assert snapshot(local) == first


def test_a_half_filled_store_gets_the_same_runs_as_an_empty_one(home: Path, local: str, second: str) -> None:
    sync(home)
    whole = snapshot(local)
    trials = home / "studies/demo/trials"
    away = home / "away"
    away.mkdir()
    for number in ("0004", "0005", "0006"):
        shutil.move(trials / number, away)
    (trials / "0000" / "validation.npz").rename(away / "validation.npz")
    sync(home, second)
    client, one = find_run(second, 1)
    client.set_tag(one, "sweep.reason", "of an earlier time")
    client.update_run(one, name="trial 0001", status="RUNNING")
    for number in ("0004", "0005", "0006"):
        shutil.move(away / number, trials)
    (away / "validation.npz").rename(trials / "0000" / "validation.npz")
    sync(home, second)
    assert snapshot(second) == whole


def test_a_sync_makes_the_same_runs_as_the_sweep_while_it_ran(home: Path, local: str, second: str) -> None:
    folder = home / "studies/demo"
    shutil.rmtree(folder / "trials/0005")
    shutil.rmtree(folder / "trials/0006")
    sync(home)
    rebuilt = snapshot(local)
    space = (folder / "space.yaml").read_text()
    tracker = open_mlflow(
        StudyInfo("demo", study_id(folder), space, "val_accuracy", folder, home / "cache"), second, home
    )
    for record in read_records(folder):
        tracker.update(record)
    assert tracker.close("finished", timeout=PATIENCE) is True
    live = snapshot(second)
    # Only the sweep knows when it ends.
    assert live["demo"].pop("ended") >= rebuilt["demo"].pop("ended")
    assert live == rebuilt


def test_a_model_that_was_logged_in_part_is_completed_and_not_logged_twice(home: Path, local: str) -> None:
    sync(home)
    whole = snapshot(local)
    client, run_id = find_run(local, 0)
    client.delete_tag(run_id, "sweep.model")
    client.delete_tag(run_id, "sweep.files.evaluation")
    sync(home)
    assert snapshot(local) == whole


def test_the_best_trials_have_a_model_and_its_predictions(home: Path, local: str) -> None:
    sync(home)
    runs = snapshot(local)
    assert {name: len(run["models"]) for name, run in runs.items() if run["models"]} == {
        "0000 0.750": 1,
        "0003 0.625": 1,
    }
    run = runs["0003 0.625"]
    (model,) = run["models"]
    assert (model["name"], model["status"]) == ("demo-0003", "READY")
    assert model["params"] == {"learning_rate": "0.001", "blocks": "3", "batch_norm": "true", "head": "none"}
    assert ("objective", 0.625, 2) in model["metrics"]
    assert model["artifacts"] == [
        "MLmodel",
        "conda.yaml",
        "data/keras_module.txt",
        "data/model.keras",
        "python_env.yaml",
        "requirements.txt",
    ]
    assert [path for path, _ in run["artifacts"]] == [
        "config.json",
        "curves.png",
        "summary.txt",
        "trial.json",
        "evaluation/classes.json",
        "evaluation/confusion.png",
        "evaluation/mistakes.png",
    ]
    accuracies = {key: value for key, _, value, _ in run["points"] if key.startswith("class_accuracy")}
    assert accuracies == {
        "class_accuracy/00 cat": pytest.approx(1 / 3),
        "class_accuracy/01 _b__dog_": pytest.approx(2 / 3),
    }


def test_without_the_cached_images_only_the_picture_of_mistakes_is_left_out(home: Path, local: str) -> None:
    shutil.rmtree(home / "cache")
    sync(home)
    paths = [path for path, _ in snapshot(local)["0000 0.750"]["artifacts"]]
    assert [path for path in paths if "/" in path] == ["evaluation/classes.json", "evaluation/confusion.png"]


def test_the_run_of_the_study_has_the_best_values_the_space_and_the_report(home: Path, local: str) -> None:
    sync(home)
    run = snapshot(local)["demo"]
    assert run["status"] == "KILLED"
    assert [path for path, _ in run["artifacts"]] == ["report.html", "space.yaml"]
    assert run["tags"]["sweep.best.learning_rate"] == "0.001"
    assert run["tags"]["sweep.best_trial"] == "0"
    assert run["tags"]["mlflow.note.content"].startswith("7 trials: 2 interrupted, 3 complete, 1 pruned, 1 failed.")


def test_a_newer_report_replaces_that_of_the_run(home: Path, local: str) -> None:
    folder = home / "studies/demo"
    info = StudyInfo("demo", study_id(folder), "", "val_accuracy", folder)
    assert add_report_to_mlflow(info, None, home) is False
    sync(home)
    before = snapshot(local)
    (folder / "report.html").write_text("<!doctype html><title>newer</title>")
    assert add_report_to_mlflow(info, None, home) is True
    after = snapshot(local)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"demo"}
    assert [path for path, _ in after["demo"]["artifacts"]] == ["report.html", "space.yaml"]
    sync(home)
    assert snapshot(local) == after


def test_a_trial_is_shown_as_running_only_while_a_sweep_has_the_lock(home: Path, local: str) -> None:
    with StudyLock(home / "studies/demo"):
        sync(home)
        assert snapshot(local)["0006 running"]["status"] == "RUNNING"
        assert snapshot(local)["demo"]["status"] == "RUNNING"
    sync(home)
    runs = snapshot(local)
    assert "0006 running" not in runs
    assert runs["0006 interrupted"]["status"] == "KILLED"
    assert runs["0006 interrupted"]["tags"]["sweep.state"] == "interrupted"
    assert json.loads((home / "studies/demo/trials/0006/trial.json").read_text())["state"] == "running"


def test_a_study_that_is_moved_during_the_sync_is_reported_and_not_made_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = home / "studies/demo"

    def move(*arguments: Any) -> SyncReport:
        study.rename(home / "moved")
        return sync_study(*arguments)

    monkeypatch.setattr("sweep.commands.sync.sync_study", move)
    with pytest.raises(StudyError, match=rf"^the study's folder {study} \(or its supervisor\.lock\) was moved"):
        sync(home)
    assert list((home / "studies").iterdir()) == []


def test_existing_points_are_not_written_again(home: Path, local: str) -> None:
    sync(home)
    before = snapshot(local)
    client, run_id = find_run(local, 4)
    client.log_batch(run_id, [Metric("mine", 1.0, 1, 0)], [], [])
    sync(home)
    after = snapshot(local)
    assert after["0004 0.500"]["points"] == sorted([*before["0004 0.500"]["points"], ("mine", 0, 1.0, 1)])


def test_an_unknown_study_is_an_error(home: Path) -> None:
    with pytest.raises(StudyError, match=r"there is no study other in .*; existing studies: demo"):
        sync_with_mlflow(home, "other", None, as_json=False)
    assert not (home / "studies/other").exists()


def test_an_unreachable_store_is_one_line_without_its_password(home: Path) -> None:
    with socket.socket() as held:  # so that no other process listens there
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        with pytest.raises(TrackingError) as caught:
            sync_with_mlflow(home, "demo", f"http://me:secret@127.0.0.1:{port}", as_json=False)
    message = str(caught.value)
    assert message.startswith(
        f"http://me:***@127.0.0.1:{port}: the study demo is not fully written, sync it again later: "
    )
    assert "\n" not in message
    assert "secret" not in message


def test_a_missing_driver_or_an_unreachable_database_is_reported_at_once(home: Path) -> None:
    with pytest.raises(
        TrackingError, match=r"postgresql://me:\*\*\*@127.0.0.1:1/x: the study demo is not fully written"
    ):
        sync_with_mlflow(home, "demo", "postgresql://me:secret@127.0.0.1:1/x", as_json=False)


def test_the_command_prints_json_and_ends_with_2_for_an_unknown_study(home: Path) -> None:
    command = [sys.executable, "-m", "sweep.sync", "--home", str(home)]
    done = subprocess.run([*command, "--study", "demo", "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["study"], answer["created"], answer["updated"]) == ("demo", [0, 1, 2, 3, 4, 5, 6], [])
    assert answer["store"] == f"sqlite:///{home}/mlflow/mlflow.db"
    done = subprocess.run([*command, "--study", "other"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"error: there is no study other in {home}/studies; existing studies: demo",
    ]


def test_help_imports_no_heavy_package() -> None:
    code = "import sys, sweep.sync; print([n for n in ('mlflow', 'optuna', 'numpy', 'tensorflow') if n in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "[]\n"
