from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.end_to_end.conftest import SMALL, environment, records, sweep
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.slow


def test_a_sweep_ends_with_all_its_trials_and_says_the_best(home: Path, finished: dict[str, Any]) -> None:
    written = records(home)

    assert [record["number"] for record in written] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert finished["trials"]["complete"] >= 2
    assert sum(finished["trials"].values()) == 8
    best = max(r["objective_value"] for r in written if r["state"] == "complete")
    assert finished["best"][0]["val_accuracy"] == best


def test_some_trials_were_pruned_and_none_before_its_warm_up(home: Path, finished: dict[str, Any]) -> None:
    pruned = [record for record in records(home) if record["state"] == "pruned"]

    assert finished["trials"]["pruned"] == len(pruned) > 0
    assert all(1 <= len(record["epochs"]) < 4 for record in pruned)
    assert pruned[0]["reason"] == f"pruned at epoch {len(pruned[0]['epochs'])} (median)"


def test_a_record_holds_all_that_is_needed_to_run_it_again(home: Path, finished: dict[str, Any]) -> None:
    record = records(home)[finished["best"][0]["trial"]]

    assert record["config"]["threads"] == 1
    assert record["data"]["train"] == 320
    assert record["data"]["validation"] == 80
    assert record["data"]["shape"] == [8, 8, 1]
    assert {"version.tensorflow", "version.keras", "flag.TF_ENABLE_ONEDNN_OPTS", "cpu"} <= set(record["environment"])
    assert [epoch["epoch"] for epoch in record["epochs"]] == [1, 2, 3, 4]
    assert len(record["weights_digest"]) == 64
    assert record["timings"]["total"] >= record["timings"]["fit"] > 0


def test_only_the_best_models_are_kept(home: Path, finished: dict[str, Any]) -> None:
    best = [row["trial"] for row in finished["best"]][:2]
    kept = sorted(int(path.parent.name) for path in (home / "studies/small/trials").glob("*/model.keras"))

    assert kept == sorted(best)


def test_mlflow_shows_a_parent_and_a_child_per_trial(home: Path, finished: dict[str, Any]) -> None:
    client = MlflowClient(f"sqlite:///{home}/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    runs = {run.data.tags.get("sweep.trial", ""): run for run in client.search_runs([experiment.experiment_id])}

    parent = runs.pop("")
    assert parent.info.run_name == "small"
    assert sorted(runs) == ["0", "1", "2", "3", "4", "5", "6", "7"]
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {parent.info.run_id}
    for record in records(home):
        run = runs[str(record["number"])]
        status = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}[record["state"]]
        assert run.info.status == status
        assert run.data.params.keys() == record["values"].keys()
        history = client.get_metric_history(run.info.run_id, "val_accuracy")
        assert [(point.step, point.value) for point in history] == [
            (epoch["epoch"], epoch["val_accuracy"]) for epoch in record["epochs"]
        ]
        artifacts = [file.path for file in client.list_artifacts(run.info.run_id) if not file.is_dir]
        assert artifacts == ["config.json", "curves.png", "summary.txt", "trial.json"]
    assert runs[str(finished["best"][0]["trial"])].data.metrics["objective"] == finished["best"][0]["val_accuracy"]


def test_a_finished_sweep_leaves_its_report_in_the_study_and_in_mlflow(home: Path, finished: dict[str, Any]) -> None:
    path = home / "studies" / "small" / "report.html"
    assert finished["places"]["report"] == str(path)
    client = MlflowClient(f"sqlite:///{home}/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    (parent,) = client.search_runs([experiment.experiment_id], "tags.`sweep.kind` = 'study'")
    held = home / "mlflow" / "artifacts" / parent.info.run_id / "artifacts" / "report.html"
    assert held.read_bytes() == path.read_bytes()
    assert parent.data.metrics["best_trial"] == finished["best"][0]["trial"]


@pytest.mark.parametrize("state", ["complete", "pruned"])
def test_a_trial_is_reproduced_to_the_bit(home: Path, finished: dict[str, Any], state: str) -> None:
    assert finished["trials"][state] > 0
    number = next(record["number"] for record in records(home) if record["state"] == state)

    done = sweep("reproduce", "--study", "small", "--trial", str(number), home=home)

    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "EXACT"


@pytest.mark.usefixtures("finished")
def test_a_record_with_another_result_is_detected(home: Path) -> None:
    number = next(r["number"] for r in records(home) if r["state"] == "complete" and len(r["epochs"]) == 4)
    path = home / f"studies/small/trials/{number:04d}/trial.json"
    text = path.read_text()
    record = json.loads(text)
    record["epochs"][2]["val_loss"] += 0.5
    record["environment"]["version.keras"] = "3.0.0"
    path.write_text(json.dumps(record))

    done = sweep("reproduce", "--study", "small", "--trial", str(number), home=home)

    path.write_text(text)
    assert done.returncode == 1
    verdict, *differences = done.stdout.splitlines()[-2:]
    assert verdict == "DIVERGED at epoch 3"
    assert differences[0].startswith("  version.keras: 3.0.0 -> ")


@pytest.mark.usefixtures("finished")
def test_the_same_command_again_continues_with_new_trials(home: Path) -> None:
    before = records(home)

    done = sweep("run", "--space", str(SMALL), "--trials", "10", home=home)

    after = records(home)
    assert done.returncode == 0, done.stderr
    assert "continuing: 8 trials are done" in done.stdout
    # A new trial among the best three replaces the model file of another one.
    assert [{**record, "model_file": None} for record in after[:8]] == [{**r, "model_file": None} for r in before]
    assert len(after) == 10
    rates = [record["values"]["learning_rate"] for record in after]
    assert len(set(rates)) == 10


@pytest.mark.usefixtures("finished")
def test_a_changed_space_is_refused_with_the_difference(home: Path) -> None:
    done = sweep("run", "--space", str(SMALL), "--trials", "10", "--epochs", "9", home=home)

    assert done.returncode == 2
    assert "  training.epochs: 4 -> 9\n" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("finished")
def test_a_misspelt_set_of_images_is_no_changed_space_and_leaves_no_study(home: Path) -> None:
    for more in ((), ("--study", "new")):
        done = sweep("run", "--space", str(SMALL), "--data", "digit", "--trials", "10", *more, home=home)
        assert done.returncode == 2
        assert "data `digit`: no named set and no existing path; did you mean `digits`?" in done.stderr
    assert not (home / "studies/new").exists()


@pytest.mark.long
@pytest.mark.usefixtures("finished")
def test_a_fork_takes_the_trials_that_still_fit(home: Path) -> None:
    words = ["--set", "training.learning_rate={low: 1e-4, high: 1e-1, log: true}", "--trials", "1"]
    fitting = [
        record["number"]
        for record in records(home)
        if record["state"] in ("complete", "pruned") and record["values"]["learning_rate"] >= 1e-4
    ]

    done = sweep("run", "--space", str(SMALL), "--fork", "narrow", *words, home=home)

    assert done.returncode == 0, done.stderr
    assert [record["origin"] for record in records(home, "narrow")] == [f"small/{number}" for number in fitting]


def wait_for_runs(database: Path, count: int) -> None:
    """Wait until the mirror, which is written in the background, has this number of runs."""

    def are_there() -> bool:
        try:
            with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
                return bool(connection.execute("SELECT count(*) FROM runs").fetchone()[0] >= count)
        except sqlite3.OperationalError:
            return False  # not made yet

    wait_until(are_there, pause=0.2)


def start(home: Path) -> subprocess.Popen[str]:
    """Start a sweep of long trials in its own process group, as a terminal does, and wait until two run."""
    words = ["--space", str(SMALL), "--trials", "3", "--epochs", "2000", "--set", "search.pruner.name=none"]
    process = subprocess.Popen(
        [sys.executable, "-m", "sweep.run", *words, "--home", str(home), "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )

    def are_running() -> bool:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        return len([one for one in records(home) if one["state"] == "running" and one["epochs"]]) >= 2

    wait_until(are_running, pause=0.2)
    return process


@pytest.mark.long
def test_ctrl_c_stops_cleanly_and_the_trials_resume(tmp_path: Path) -> None:
    process = start(tmp_path)
    wait_for_runs(tmp_path / "mlflow" / "mlflow.db", 3)
    os.killpg(process.pid, signal.SIGINT)  # to the whole group, as a terminal does
    out, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130
    assert "Traceback" not in err
    stopped = records(tmp_path)
    assert [record["state"] for record in stopped] == ["interrupted", "interrupted"]
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    assert {run.info.status for run in client.search_runs([experiment.experiment_id])} == {"KILLED"}

    again = start(tmp_path)
    os.killpg(again.pid, signal.SIGINT)
    out, err = again.communicate(timeout=PATIENCE)

    assert "continuing: 0 trials are done\nresuming: trial 0000 after epoch " in out
    resumed = records(tmp_path)
    assert [record["number"] for record in resumed] == [0, 1]
    assert [record["values"] for record in resumed] == [record["values"] for record in stopped]
    first = [record["epochs"][0]["val_loss"] for record in stopped]
    assert [record["epochs"][0]["val_loss"] for record in resumed] == first


@pytest.mark.long
def test_after_any_kill_the_trials_resume(tmp_path: Path) -> None:
    process = start(tmp_path)
    trial = newest_trial(process.pid)
    os.kill(trial, signal.SIGKILL)
    second = sweep("run", "--space", str(SMALL), "--trials", "3", home=tmp_path)
    assert second.returncode == 2
    assert f"the study small is being run by process {process.pid} on " in second.stderr
    logs = tmp_path / "studies" / "small" / "trials"
    wait_until(lambda: any("resumes after epoch" in log.read_text() for log in logs.glob("*/log.txt")))
    assert [record["state"] for record in records(tmp_path)] == ["running", "running"]
    fork_server = _children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in fork_server))
    killed = records(tmp_path)

    again = start(tmp_path)  # it returns immediately, because the two trials have epochs
    wait_until(
        lambda: all(len(new["epochs"]) > len(old["epochs"]) for old, new in zip(killed, records(tmp_path), strict=True))
    )
    os.killpg(again.pid, signal.SIGTERM)
    out, err = again.communicate(timeout=PATIENCE)

    assert (again.returncode, "Traceback" in err) == (130, False)
    assert "recovered from a run that was killed: trial 0000 after epoch " in out
    resumed = records(tmp_path)
    assert [record["state"] for record in resumed] == ["interrupted", "interrupted"]
    for before, after in zip(killed, resumed, strict=True):
        assert after["epochs"][: len(before["epochs"])] == before["epochs"]  # including their times in seconds
        assert [epoch["epoch"] for epoch in after["epochs"]] == list(range(1, len(after["epochs"]) + 1))


def newest_trial(supervisor: int) -> int:
    """Return the pid of the fork server's newest child."""
    servers = _children(supervisor)
    trials = [pid for server in servers for pid in _children(server)]
    return max(trials)


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
