"""MLflow's server fails while a sweep runs: training does not wait, and in the end the server has every point once."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sweep.records.trial_record import TrialRecord
from sweep.tracking.mlflow_tracker import MlflowTracker
from sweep.tracking.open_mlflow import connect, sync_study
from sweep.tracking.store_address import resolve_address
from sweep.tracking.tracker import StudyInfo
from tests.faults.proxy import Mode, Proxy, running_proxy
from tests.tracking.conftest import build_record, database, home
from tests.tracking.serving import serve
from tests.waiting import PATIENCE, wait_until

__all__ = ["database", "home"]
FAULTS: tuple[Mode, ...] = ("reset", "black hole", "error", "slow", "lost answer", "flaky")
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def timeouts(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Only requests to a black hole time out soon. With a short timeout, a busy server would receive requests twice."""
    fault = request.node.callspec.params.get("fault")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1" if fault == "black hole" else "60")


def tracker_to(proxy: Proxy, info: StudyInfo, folder: Path) -> MlflowTracker:
    address = resolve_address(proxy.uri, os.environ, folder)
    return MlflowTracker(lambda: connect(info, address), interval=0.05, pause=0.05, longest_pause=0.2)


def info_of(name: str, folder: Path) -> StudyInfo:
    return StudyInfo(name=name, id="1" * 32, space="model: {}\n", objective="val_accuracy", folder=folder / name)


def record(study: str, number: int, epochs: int) -> TrialRecord:
    return build_record(number, "complete" if epochs == 4 else "running", epochs, study=study)


@pytest.mark.parametrize("fault", ["reset", "black hole", "error"])
def test_training_does_not_wait_for_a_server_that_fails(tmp_path: Path, fault: Mode) -> None:
    with running_proxy() as proxy:
        proxy.mode = fault
        tracker = tracker_to(proxy, info_of("away", tmp_path), tmp_path)
        started = time.perf_counter()
        for epochs in range(5):
            for number in range(100):
                tracker.update(record("away", number, epochs))
        update_seconds = time.perf_counter() - started
        making = _seconds_of_making(500)
        assert tracker.close("interrupted", timeout=0.5) is False
        assert time.perf_counter() - started < update_seconds + PATIENCE + making
        assert update_seconds < making + PATIENCE  # waiting for 500 timeouts of a black hole would take a second each


def _seconds_of_making(count: int) -> float:
    started = time.perf_counter()
    for number in range(count):
        record("away", number % 100, 3)
    return time.perf_counter() - started


@pytest.fixture(scope="module")
def through(tmp_path_factory: pytest.TempPathFactory, database: Path) -> Iterator[Proxy]:
    """A proxy in front of an MLflow server."""
    store = tmp_path_factory.mktemp("served")
    shutil.copy(database, store / "mlflow.db")
    with serve(store, store) as upstream, running_proxy() as proxy:
        proxy.upstream = upstream
        yield proxy


@contextmanager
def patient() -> Iterator[None]:
    """Give the test's own requests the time that a busy machine needs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
        yield


@patient()
def points(uri: str, study: str) -> dict[str, list[int]]:
    """Return the steps of every metric of every trial; several runs of a trial are in one list."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    found: dict[str, list[int]] = {}
    for run in client.search_runs([experiment.experiment_id], "tags.`sweep.kind` = 'trial'"):
        for key in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
            steps = [metric.step for metric in client.get_metric_history(run.info.run_id, key)]
            found.setdefault(f"{run.data.tags['sweep.trial']} {key}", []).extend(steps)
    return found


def everything(trials: int) -> dict[str, list[int]]:
    keys = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
    return {f"{number} {key}": [1, 2, 3, 4] for number in range(trials) for key in keys}


def disturb(proxy: Proxy, tracker: MlflowTracker, study: str, fault: Mode) -> None:
    """Let two epochs arrive, cause the fault, and continue the sweep to the end of three trials."""
    proxy.mode = "pass"
    with patient():
        tracker.update(record(study, 0, 2))
        tracker.update(record(study, 1, 1))
        wait_until(lambda: MlflowClient(proxy.upstream).get_experiment_by_name(study) is not None)
    before = len(proxy.seen)
    proxy.mode = fault
    for epochs in (3, 4):
        for number in range(3):
            tracker.update(record(study, number, epochs))
            time.sleep(0.2)
    wait_until(lambda: len(proxy.seen) >= before + 3)


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_fault_every_point_is_stored_exactly_once(through: Proxy, tmp_path: Path, fault: Mode) -> None:
    study = f"during-{fault.replace(' ', '-')}"
    tracker = tracker_to(through, info_of(study, tmp_path), tmp_path)
    disturb(through, tracker, study, fault)
    through.mode = "pass"
    with patient():
        assert tracker.close("finished", timeout=PATIENCE) is True
    assert points(through.upstream, study) == everything(3)


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_a_sync_completes_what_an_ended_sweep_could_not_write(through: Proxy, tmp_path: Path, fault: Mode) -> None:
    study = f"after-{fault.replace(' ', '-')}"
    tracker = tracker_to(through, info_of(study, tmp_path), tmp_path)
    disturb(through, tracker, study, fault)
    tracker.close("finished", timeout=PATIENCE)  # until it gives up, as at the end of the process
    through.mode = "pass"
    with patient():
        sync_study(info_of(study, tmp_path), [record(study, number, 4) for number in range(3)], through.uri, tmp_path)
    assert points(through.upstream, study) == everything(3)


@pytest.mark.long
@pytest.mark.parametrize("seconds", [60])
def test_a_server_that_was_killed_and_comes_back_gets_every_point_once(
    tmp_path: Path,
    home: Path,
    seconds: int,
) -> None:
    with running_proxy() as proxy, ExitStack() as servers:
        proxy.upstream = servers.enter_context(serve(home / "mlflow", tmp_path))
        tracker = tracker_to(proxy, info_of("killed", tmp_path), tmp_path)
        tracker.update(record("killed", 0, 2))
        wait_until(lambda: len(proxy.seen) >= 3)
        servers.close()  # SIGKILL, perhaps during a write
        started = time.monotonic()
        for epochs in (3, 4):
            for number in range(3):
                tracker.update(record("killed", number, epochs))
        assert time.monotonic() - started < 20.0
        time.sleep(seconds)
        proxy.upstream = servers.enter_context(serve(home / "mlflow", tmp_path))
        assert tracker.close("finished", timeout=PATIENCE) is True
        assert points(proxy.upstream, "killed") == everything(3)
