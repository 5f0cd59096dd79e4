"""A study on disk after a sweep, and everything about it in an MLflow store."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import FileInfo, Run, ViewType
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from sweep.data.cache import Prepared, write_meta
from sweep.records.trial_record import TrialRecord, trial_folder, write_record
from sweep.tracking.mlflow_store import make_database
from sweep.tracking.open_mlflow import prepare_environment
from tests.tracking.conftest import build_record

prepare_environment()

CLASSES = ("cat", "<b>$dog$")
VALIDATION = 6


def trial(number: int, *arguments: Any, **changes: Any) -> TrialRecord:
    """Return a record of the study `demo` with the images of `fill_cache`."""
    record = build_record(number, *arguments, **changes)
    stamp = dataclasses.replace(record.data, shape=(4, 4, 1), classes=CLASSES)
    return dataclasses.replace(record, data=stamp, weights_digest=f"{number:x}" * 64)


def write_study(home: Path) -> Path:
    """Write seven trials of all kinds; the best two have models, all complete ones have predictions."""
    folder = home / "studies" / "demo"
    folder.mkdir(parents=True)
    kept = {"model_file": "model.keras"}
    records = [
        trial(0, "complete", epochs=4, **kept),
        trial(1, "pruned", epochs=2),
        trial(2, "failed", epochs=1, reason="nan"),
        trial(3, "complete", epochs=2, **kept),
        trial(4, "complete", epochs=1),
        trial(5, "interrupted", epochs=1, reason="interrupted"),
        trial(6, "running", epochs=2),
    ]
    for record in records:
        place = trial_folder(folder, record.number)
        write_record(place, record)
        if record.state == "complete":
            (place / "summary.txt").write_text(f"a model, {record.number}\n")
            write_predictions(place / "validation.npz", record.number)
        if record.model_file:
            (place / "model.keras").write_bytes(b"weights of %d" % record.number)
    (folder / "study.db").touch()
    (folder / "space.yaml").write_text("model:\n  blocks: [2, 3]\n")
    (folder / "report.html").write_text("<!doctype html><title>demo</title>")
    fill_cache(home / "cache")
    return folder


def write_predictions(path: Path, wrong: int) -> None:
    """Write predictions for six images, of which the first `wrong` ones are wrong."""
    labels = np.array([0, 1, 0, 1, 0, 1])
    said = np.where(np.arange(VALIDATION) < wrong, 1 - labels, labels)
    outputs = np.where(np.arange(2) == said[:, None], 0.75, 0.25).astype(np.float32)
    np.savez(path, outputs=outputs, labels=labels, positions=np.arange(VALIDATION))


def fill_cache(cache: Path) -> None:
    """Write the decoded images that the records refer to by their digest."""
    folder = cache / "demo-0123"
    folder.mkdir(parents=True)
    np.save(folder / "train_images.npy", np.arange(VALIDATION * 16, dtype=np.uint8).reshape(VALIDATION, 4, 4, 1))
    for name in ("train_labels", "train_sums", "train_paths", "test_images", "test_labels"):
        np.save(folder / f"{name}.npy", np.zeros(1))
    write_meta(folder, Prepared(str(folder), "d" * 64, CLASSES, (4, 4, 1), VALIDATION, 1, "six images"))


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store to copy, because creating its tables takes seconds."""
    path = tmp_path_factory.mktemp("tables") / "mlflow.db"
    make_database(path)
    return path


@pytest.fixture
def home(tmp_path: Path, tables: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home with the study and an empty store."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "my home"
    write_study(folder)
    (folder / "mlflow").mkdir()
    shutil.copy(tables, folder / "mlflow" / "mlflow.db")
    return folder


@pytest.fixture
def local(home: Path) -> str:
    """The address of the store in the study's home."""
    return f"sqlite:///{home}/mlflow/mlflow.db"


@pytest.fixture
def second(home: Path, tables: Path) -> str:
    """The address of another empty store."""
    shutil.copy(tables, home / "second.db")
    return f"sqlite:///{home}/second.db"


def find_run(uri: str, trial: int) -> tuple[MlflowClient, str]:
    """Return a client and the id of a trial's run."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], f"tags.`sweep.trial` = '{trial}'")
    return client, run.info.run_id


def snapshot(uri: str) -> dict[str, Any]:
    """Return everything in the store about study `demo`, by run name, without the ids that the store generates."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL)
    parents = {run.info.run_id: run.info.run_name for run in runs}
    shown = {str(run.info.run_name): _shown(client, run, parents) for run in runs}
    assert len(shown) == len(runs)
    return shown


def _shown(client: MlflowClient, run: Run, names: dict[str, str | None]) -> dict[str, Any]:
    tags = {key: names.get(value, value) for key, value in run.data.tags.items()}
    points = [
        (key, metric.step, metric.value, metric.timestamp)
        for key in sorted(run.data.metrics)
        for metric in client.get_metric_history(run.info.run_id, key)
    ]
    models = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    return {
        "status": run.info.status,
        "started": run.info.start_time,
        "ended": run.info.end_time,
        "stage": run.info.lifecycle_stage,
        "tags": tags,
        "params": run.data.params,
        "points": sorted(points),
        "inputs": [d.to_dictionary() for d in run.inputs.dataset_inputs] if run.inputs else [],
        "outputs": len(run.outputs.model_outputs) if run.outputs else 0,
        "artifacts": _artifacts(client, run, None),
        "models": [
            {
                "name": model.name,
                "type": model.model_type,
                "status": model.status,
                "tags": model.tags,
                "params": model.params,
                "metrics": sorted((m.key, m.value, m.step) for m in model.metrics or []),
                "artifacts": sorted(_model_files(model.artifact_location)),
            }
            for model in models
        ],
    }


def _artifacts(client: MlflowClient, run: Run, path: str | None) -> list[tuple[str, str]]:
    """Return the path and the digest of each artifact."""
    found: list[FileInfo] = client.list_artifacts(run.info.run_id, path)
    folder = Path(url2pathname(urlsplit(run.info.artifact_uri).path))
    files = [(i.path, hashlib.sha256((folder / i.path).read_bytes()).hexdigest()) for i in found if not i.is_dir]
    return files + [file for info in found if info.is_dir for file in _artifacts(client, run, info.path)]


def _model_files(location: str, path: str | None = None) -> list[str]:
    found = get_artifact_repository(location).list_artifacts(path)
    inner = [name for info in found if info.is_dir for name in _model_files(location, info.path)]
    return [info.path for info in found if not info.is_dir] + inner
