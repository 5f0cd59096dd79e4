from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Run, ViewType

from sweep.records.trial_record import TrialRecord, record_from_json, trial_folder, write_record
from sweep.records.trial_result import EpochMetrics
from sweep.tracking.mlflow_study import MlflowStudy
from sweep.tracking.open_mlflow import SyncReport, connect, sync_study
from sweep.tracking.store_address import resolve_address
from sweep.tracking.tracker import StudyInfo

MakeRecord = Callable[..., TrialRecord]
TEN = 1735812000000  # 2025-01-02T10:00:00+00:00


@pytest.fixture
def client(home: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{home}/mlflow/mlflow.db")


@pytest.fixture
def open_again(info: StudyInfo, home: Path) -> Callable[[], MlflowStudy]:
    return lambda: connect(info, resolve_address(None, {}, home))


@pytest.fixture
def store(open_again: Callable[[], MlflowStudy]) -> MlflowStudy:
    return open_again()


def runs_of(client: MlflowClient) -> dict[str, Run]:
    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL)
    by_trial = {_label(run): run for run in runs}
    assert len(by_trial) == len(runs)
    return by_trial


def _label(run: Run) -> str:
    """The tests' name for a run: `trial 0007`, or the name of the study or of another program's run."""
    number, name = run.data.tags.get("sweep.trial"), str(run.info.run_name)
    return f"trial {int(number):04d}" if number is not None and name != "twin" else name


def points(client: MlflowClient, run: Run) -> list[tuple[str, int, float, int]]:
    return sorted(
        (key, metric.step, metric.value, metric.timestamp)
        for key in run.data.metrics
        for metric in client.get_metric_history(run.info.run_id, key)
    )


def everything(client: MlflowClient) -> dict[str, Any]:
    """Every field of every run, every point of every metric, every artifact with its size."""
    return {
        name: (
            run.to_dictionary(),
            points(client, run),
            [(f.path, f.file_size) for f in client.list_artifacts(run.info.run_id)],
        )
        for name, run in runs_of(client).items()
    }


def read_artifact(client: MlflowClient, run: Run, name: str, folder: Path) -> bytes:
    return Path(client.download_artifacts(run.info.run_id, name, str(folder))).read_bytes()


def test_a_finished_trial_is_shown_with_its_values_and_metrics(
    store: MlflowStudy, client: MlflowClient, make_record: MakeRecord
) -> None:
    store.sync_trial(make_record(7, "complete", epochs=4, reason="all epochs"))
    runs = runs_of(client)
    run = runs["trial 0007"]
    assert run.data.params == {"learning_rate": "0.001", "blocks": "3", "batch_norm": "true", "head": "none"}
    assert run.data.metrics == {
        "loss": 0.5,
        "accuracy": 1.0,
        "val_loss": 0.625,
        "val_accuracy": 0.6875,
        "learning_rate": 0.0005,
        "objective": 0.75,
        "best_epoch": 3.0,
        "parameters": 1234.0,
    }
    assert run.info.status == "FINISHED"
    assert (run.info.start_time, run.info.end_time) == (TEN + 420000, TEN + 450000)
    assert run.data.tags["sweep.state"] == "complete"
    assert run.data.tags["sweep.reason"] == "all epochs"
    assert run.data.tags["mlflow.parentRunId"] == runs["demo"].info.run_id


def test_the_history_of_a_metric_has_one_point_per_epoch(
    store: MlflowStudy, client: MlflowClient, make_record: MakeRecord
) -> None:
    for epochs in range(4):
        store.sync_trial(make_record(0, epochs=epochs))
    store.sync_trial(make_record(0, "complete", epochs=4))
    history = points(client, runs_of(client)["trial 0000"])
    assert [point for point in history if point[0] == "val_accuracy"] == [
        ("val_accuracy", 1, 0.5, TEN + 1500),
        ("val_accuracy", 2, 0.625, TEN + 3000),
        ("val_accuracy", 3, 0.75, TEN + 4500),
        ("val_accuracy", 4, 0.6875, TEN + 6000),
    ]
    assert [point for point in history if point[0] == "objective"] == [("objective", 3, 0.75, TEN + 30000)]


def test_the_images_are_an_input_of_the_run(store: MlflowStudy, client: MlflowClient, make_record: MakeRecord) -> None:
    store.sync_trial(make_record(0))
    inputs = runs_of(client)["trial 0000"].inputs
    assert inputs is not None
    (given,) = inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("cifar10", "d" * 36)
    assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "training")]


def test_a_trial_that_ended_has_its_record_config_and_curves(
    store: MlflowStudy, client: MlflowClient, make_record: MakeRecord, tmp_path: Path, home: Path
) -> None:
    record = make_record(0, "pruned", epochs=3)
    store.sync_trial(record)
    run = runs_of(client)["trial 0000"]
    assert [f.path for f in client.list_artifacts(run.info.run_id)] == ["config.json", "curves.png", "trial.json"]
    text = read_artifact(client, run, "trial.json", tmp_path).decode()
    assert record_from_json(text, "artifact") == record
    assert json.loads(read_artifact(client, run, "config.json", tmp_path))["seed"] == 42
    assert read_artifact(client, run, "curves.png", tmp_path).startswith(b"\x89PNG")
    assert (home / "mlflow" / "artifacts" / run.info.run_id / "artifacts" / "trial.json").is_file()


def test_a_trial_that_may_be_resumed_has_no_artifacts_yet(
    store: MlflowStudy, client: MlflowClient, make_record: MakeRecord
) -> None:
    store.sync_trial(make_record(0, epochs=1))
    store.sync_trial(make_record(1, "interrupted", epochs=1))
    runs = runs_of(client)
    assert [client.list_artifacts(runs[name].info.run_id) for name in ("trial 0000", "trial 0001")] == [[], []]


def test_an_interrupted_trial_runs_again_and_loses_its_reason(
    store: MlflowStudy, client: MlflowClient, make_record: MakeRecord
) -> None:
    store.sync_trial(make_record(0, "interrupted", epochs=2, reason="supervisor stopped"))
    run = runs_of(client)["trial 0000"]
    assert (run.info.status, run.data.tags["sweep.reason"]) == ("KILLED", "supervisor stopped")
    store.sync_trial(make_record(0, "running", epochs=2))
    run = runs_of(client)["trial 0000"]
    assert (run.info.status, run.data.tags.get("sweep.reason")) == ("RUNNING", None)
    store.sync_trial(make_record(0, "failed", epochs=3, reason="nan", finished="2025-01-02T11:00:00+00:00"))
    run = runs_of(client)["trial 0000"]
    assert (run.info.status, run.data.tags["sweep.reason"], run.info.end_time) == ("FAILED", "nan", TEN + 3600000)


def test_a_trial_interrupted_twice_ends_when_it_was_interrupted_last(
    store: MlflowStudy, client: MlflowClient, make_record: MakeRecord
) -> None:
    store.sync_trial(make_record(0, "interrupted", epochs=1))
    store.sync_trial(make_record(0, "interrupted", epochs=2, finished="2025-01-02T10:01:00+00:00"))
    assert runs_of(client)["trial 0000"].info.end_time == TEN + 60000


def test_syncing_a_study_twice_changes_no_field_of_any_run(
    client: MlflowClient, info: StudyInfo, home: Path, make_record: MakeRecord
) -> None:
    records = [
        make_record(0, "complete", epochs=4),
        make_record(1, "pruned", epochs=2),
        make_record(2, "failed", reason="oom"),
        make_record(3, "interrupted", epochs=1),
    ]
    assert sync_study(info, records, None, home) == SyncReport(created=(0, 1, 2, 3), updated=(), unchanged=())
    before = everything(client)
    assert sorted(before) == ["demo", "trial 0000", "trial 0001", "trial 0002", "trial 0003"]
    assert sync_study(info, records, None, home) == SyncReport(created=(), updated=(), unchanged=(0, 1, 2, 3))
    assert everything(client) == before


def test_a_mirror_written_epoch_by_epoch_equals_one_rebuilt_from_records(
    store: MlflowStudy, client: MlflowClient, info: StudyInfo, home: Path, make_record: MakeRecord
) -> None:
    final = [make_record(0, "complete", epochs=4), make_record(1, "pruned", epochs=2)]
    for record in (make_record(0), make_record(0, epochs=2), final[0], make_record(1, epochs=1), final[1]):
        store.sync_trial(record)
        store.sync_study("RUNNING", None)
    live = {name: (run.data.to_dictionary(), points(client, run)) for name, run in runs_of(client).items()}
    assert sync_study(info, final, None, home) == SyncReport(created=(), updated=(), unchanged=(0, 1))
    rebuilt = {name: (run.data.to_dictionary(), points(client, run)) for name, run in runs_of(client).items()}
    assert rebuilt == live
    assert runs_of(client)["demo"].info.status == "FINISHED"


def test_what_is_missing_is_added_and_nothing_else(
    store: MlflowStudy,
    open_again: Callable[[], MlflowStudy],
    client: MlflowClient,
    make_record: MakeRecord,
) -> None:
    store.sync_trial(make_record(0, epochs=1))
    run = runs_of(client)["trial 0000"]
    client.log_batch(run.info.run_id, [Metric("loss", 1.0, TEN + 3000, 2)])
    open_again().sync_trial(make_record(0, epochs=3))
    history = points(client, runs_of(client)["trial 0000"])
    assert [point[:3] for point in history if point[0] == "loss"] == [
        ("loss", 1, 2.0),
        ("loss", 2, 1.0),
        ("loss", 3, 2.0 / 3.0),
    ]


def test_a_later_start_of_a_resumed_trial_does_not_repeat_its_points(
    store: MlflowStudy,
    open_again: Callable[[], MlflowStudy],
    client: MlflowClient,
    make_record: MakeRecord,
) -> None:
    store.sync_trial(make_record(0, "complete", epochs=4))
    before = points(client, runs_of(client)["trial 0000"])
    again = open_again()
    again.sync_trial(make_record(0, started="2025-01-02T12:00:00+00:00", epochs=1))
    again.sync_trial(make_record(0, "complete", started="2025-01-02T12:00:00+00:00", epochs=4))
    assert points(client, runs_of(client)["trial 0000"]) == before


def test_another_value_of_a_param_is_warned_of_once_and_skipped(
    store: MlflowStudy, client: MlflowClient, make_record: MakeRecord, caplog: pytest.LogCaptureFixture
) -> None:
    store.sync_trial(make_record(0))
    with caplog.at_level(logging.WARNING, logger="sweep.tracking"):
        for epochs in (1, 2):
            store.sync_trial(make_record(0, epochs=epochs, values={"blocks": 5, "new": 1}))
    run = runs_of(client)["trial 0000"]
    assert (run.data.params["blocks"], run.data.params["new"]) == ("3", "1")
    assert run.data.metrics["loss"] == 1.0
    assert [entry.getMessage().partition(" holds ")[2][:41] for entry in caplog.records] == [
        "blocks = 3, but the trial's record has 5."
    ]


def test_more_values_than_fit_in_one_batch_arrive(
    store: MlflowStudy, client: MlflowClient, make_record: MakeRecord
) -> None:
    record = make_record(0, values={f"p{index}": index for index in range(230)})
    epochs = tuple(EpochMetrics(epoch, 1.0, 0.5, 1.0, 0.5, 0.001, 1.0) for epoch in range(1, 331))
    store.sync_trial(dataclasses.replace(record, epochs=epochs))
    run = runs_of(client)["trial 0000"]
    assert len(run.data.params) == 230
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 330


def test_the_run_of_the_study_shows_its_space_its_counts_and_the_best_trial(
    store: MlflowStudy, client: MlflowClient, make_record: MakeRecord, tmp_path: Path
) -> None:
    store.sync_trial(make_record(0, "pruned", epochs=1))
    store.sync_trial(make_record(1, "complete", epochs=4))
    store.sync_trial(make_record(2))
    store.sync_study("RUNNING", None)
    run = runs_of(client)["demo"]
    assert run.info.status == "RUNNING"
    assert run.info.start_time == TEN
    assert run.data.metrics == {"best_objective": 0.75, "best_trial": 1.0, "best_epoch": 3.0, "best_parameters": 1234.0}
    assert run.data.tags["sweep.best_trial"] == "1"
    assert run.data.tags["sweep.trials.complete"] == "1"
    assert run.data.tags["sweep.trials"] == "3"
    assert read_artifact(client, run, "space.yaml", tmp_path) == b"model:\n  blocks: [2, 3]\n"
    store.sync_study("KILLED", TEN + 99)
    run = runs_of(client)["demo"]
    assert (run.info.status, run.info.end_time) == ("KILLED", TEN + 99)


def test_a_resumed_study_counts_its_earlier_trials_and_runs_again(
    store: MlflowStudy,
    open_again: Callable[[], MlflowStudy],
    client: MlflowClient,
    make_record: MakeRecord,
) -> None:
    store.sync_trial(make_record(0, "complete", epochs=4))
    store.sync_study("KILLED", TEN + 60000)
    again = open_again()
    again.sync_trial(make_record(1, "complete", epochs=1))
    again.sync_study("RUNNING", None)
    run = runs_of(client)["demo"]
    assert run.info.status == "RUNNING"
    assert (run.data.tags["sweep.trials"], run.data.tags["sweep.best_trial"]) == ("2", "0")
    assert [point[1:3] for point in points(client, run) if point[0] == "best_objective"] == [(1, 0.75), (2, 0.75)]


def test_a_sync_keeps_the_end_that_the_sweep_wrote_unless_the_study_continued(
    store: MlflowStudy, client: MlflowClient, info: StudyInfo, home: Path, make_record: MakeRecord
) -> None:
    first = make_record(0, "complete", epochs=4)
    store.sync_trial(first)
    store.sync_study("FAILED", TEN + 45000)
    sync_study(info, [first], None, home)
    run = runs_of(client)["demo"]
    assert (run.info.status, run.info.end_time) == ("FAILED", TEN + 45000)
    sync_study(info, [first, make_record(1, "complete", epochs=1)], None, home)
    run = runs_of(client)["demo"]
    assert (run.info.status, run.info.end_time) == ("FINISHED", TEN + 90000)


def test_a_deleted_experiment_is_restored(
    store: MlflowStudy,
    open_again: Callable[[], MlflowStudy],
    client: MlflowClient,
    make_record: MakeRecord,
) -> None:
    store.sync_trial(make_record(0))
    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    assert open_again().sync_trial(make_record(0)) == "unchanged"
    assert runs_of(client)["trial 0000"].info.lifecycle_stage == "active"


def test_runs_deleted_in_the_meantime_are_created_again_by_the_next_attempt(
    store: MlflowStudy, client: MlflowClient, make_record: MakeRecord
) -> None:
    store.sync_trial(make_record(0))
    client.delete_run(runs_of(client)["trial 0000"].info.run_id)
    with pytest.raises(Exception, match="active"):
        store.sync_trial(make_record(0, epochs=1))
    assert store.sync_trial(make_record(0, epochs=1)) == "created"


def test_of_two_runs_of_one_trial_the_older_is_kept(
    store: MlflowStudy,
    open_again: Callable[[], MlflowStudy],
    client: MlflowClient,
    make_record: MakeRecord,
) -> None:
    store.sync_trial(make_record(0))
    first = runs_of(client)["trial 0000"]
    tags = {key: value for key, value in first.data.tags.items() if key != "mlflow.runName"}
    client.create_run(first.info.experiment_id, TEN + 5, tags, "twin")
    open_again().sync_trial(make_record(0, epochs=1))
    runs = runs_of(client)
    assert (runs["trial 0000"].data.metrics["loss"], runs["twin"].data.metrics) == (2.0, {})


def test_a_study_of_another_name_in_the_same_store_is_left_alone(
    store: MlflowStudy, client: MlflowClient, make_record: MakeRecord
) -> None:
    store.sync_trial(make_record(0))
    other = client.get_experiment_by_name("other")
    assert other is not None
    assert [run.info.run_name for run in client.search_runs([other.experiment_id])] == ["other"]


def test_two_studies_of_one_name_have_separate_runs_in_one_experiment(
    client: MlflowClient, info: StudyInfo, home: Path, make_record: MakeRecord
) -> None:
    sync_study(info, [make_record(0, "complete", epochs=4)], None, home)
    first = runs_of(client)
    others = dataclasses.replace(info, id="3" * 32)
    record = make_record(0, "complete", epochs=1, values={"blocks": 2})
    assert sync_study(others, [record], None, home) == SyncReport(created=(0,), updated=(), unchanged=())
    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"])
    held = {run.info.run_id: run for run in found}
    assert len(held) == 4
    assert all(held[run.info.run_id].to_dictionary() == run.to_dictionary() for run in first.values())
    children = [run for run in found if run.data.tags["sweep.kind"] == "trial"]
    parents = [held[run.data.tags["mlflow.parentRunId"]].data.tags["sweep.study_id"] for run in children]
    assert parents == [run.data.tags["sweep.study_id"] for run in children]
    assert sorted(parents) == ["1" * 32, "3" * 32]


def test_nothing_is_written_into_the_working_folder(
    info: StudyInfo, home: Path, make_record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    sync_study(info, [make_record(0, "complete", epochs=1)], None, home)
    assert list((tmp_path / "cwd").iterdir()) == []


def test_a_model_that_could_not_be_logged_is_logged_by_the_next_call(
    store: MlflowStudy,
    client: MlflowClient,
    info: StudyInfo,
    make_record: MakeRecord,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)  # the study's folder is relative
    record = make_record(3, "complete", epochs=4, model_file="model.keras", weights_digest="a" * 64)
    folder = trial_folder(info.folder, 3)
    info.folder.mkdir(parents=True)
    write_record(folder, record)
    (folder / "model.keras").write_bytes(b"a model")
    store.sync_trial(record)

    def away(*_: object, **__: object) -> None:
        raise OSError("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr("sweep.tracking.mlflow_study.open_logged_model", away)
        with pytest.raises(OSError, match="away"):
            store.sync_models()
    assert store.sync_models() == (3,)
    assert store.sync_models() == ()

    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    assert [model.name for model in client.search_logged_models([experiment.experiment_id])] == ["demo-0003"]
