"""The tracker with real servers: one that refuses, one that never answers, MLflow's own."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sweep.errors import TrackingError
from sweep.records.trial_record import TrialRecord
from sweep.tracking.open_mlflow import SyncReport, open_mlflow, sync_study
from sweep.tracking.tracker import StudyInfo
from tests.tracking.serving import serve
from tests.waiting import PATIENCE

MakeRecord = Callable[..., TrialRecord]
pytestmark = pytest.mark.slow


@pytest.fixture
def refusing() -> Iterator[str]:
    """A port that refuses connections and that no other process can take in the meantime."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("kind", ["refusing", "silent"])
def test_a_dead_server_holds_up_neither_update_nor_close(
    kind: str,
    request: pytest.FixtureRequest,
    info: StudyInfo,
    make_record: MakeRecord,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "MLFLOW_HTTP_REQUEST_TIMEOUT", str(2 * round(PATIENCE))
    )  # so a wait for an answer would fail the test
    uri: str = request.getfixturevalue(kind)
    records = [make_record(number, epochs=epochs) for number in range(5) for epochs in range(5)]
    start = time.perf_counter()
    tracker = open_mlflow(info, uri, tmp_path)
    for record in records:
        tracker.update(record)
    sent = time.perf_counter()
    assert tracker.close("finished", timeout=1.0) is False
    closed = time.perf_counter()
    assert sent - start < PATIENCE
    assert closed - sent < PATIENCE


def test_syncing_to_an_unreachable_server_is_an_error(
    refusing: str, info: StudyInfo, make_record: MakeRecord, tmp_path: Path
) -> None:
    start = time.perf_counter()
    with pytest.raises(
        TrackingError, match=rf"{refusing}: the study demo is not fully written, sync it again later: .*refused"
    ):
        sync_study(info, [make_record(0)], refusing, tmp_path)
    assert time.perf_counter() - start < 60.0


@pytest.fixture
def server(home: Path, tmp_path: Path) -> Iterator[str]:
    with serve(home / "mlflow", tmp_path) as uri:
        yield uri


def test_a_server_of_mlflow_gets_the_same_runs_as_a_file(
    server: str,
    info: StudyInfo,
    make_record: MakeRecord,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tracker = open_mlflow(info, server, tmp_path)
    tracker.update(make_record(0, "interrupted", epochs=2, reason="supervisor stopped"))
    assert tracker.close("interrupted", timeout=PATIENCE) is True
    tracker = open_mlflow(info, server, tmp_path)
    tracker.update(make_record(0, epochs=3))
    assert tracker.close("interrupted", timeout=PATIENCE) is True
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], "tags.`sweep.kind` = 'trial'")
    assert (run.info.status, run.data.tags.get("sweep.reason", "")) == ("RUNNING", "")

    records = [make_record(0, "complete", epochs=4), make_record(1, "pruned", epochs=2)]
    assert sync_study(info, records, server, tmp_path) == SyncReport(created=(1,), updated=(0,), unchanged=())
    assert sync_study(info, records, server, tmp_path) == SyncReport(created=(), updated=(), unchanged=(0, 1))
    run = client.get_run(run.info.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["objective"] == 0.75
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "loss")] == [1, 2, 3, 4]
    assert [f.path for f in client.list_artifacts(run.info.run_id)] == ["config.json", "curves.png", "trial.json"]
    assert run.inputs is not None
    assert [given.dataset.name for given in run.inputs.dataset_inputs] == ["cifar10"]
    assert capsys.readouterr().out == ""
