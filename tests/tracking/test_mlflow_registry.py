"""The final model in a real MLflow store, also after a call that was interrupted."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.models import Model

from sweep.records.trial_record import TrialRecord
from sweep.tracking.mlflow_registry import register_in_store
from sweep.tracking.open_mlflow import connect
from sweep.tracking.store_address import resolve_address
from sweep.tracking.tracker import FinalModel, StudyInfo

MakeRecord = Callable[..., TrialRecord]


@pytest.fixture
def final_model(make_record: MakeRecord, tmp_path: Path) -> FinalModel:
    (tmp_path / "model.keras").write_bytes(b"a model")
    (tmp_path / "final.json").write_text("{}")
    record = make_record(3, "complete", epochs=4)
    record = dataclasses.replace(record, data=dataclasses.replace(record.data, shape=(4, 4, 1)))
    metrics = {"test_accuracy": 0.75, "test_loss": 0.5}
    example = np.zeros((1, 4, 4, 1), dtype=np.uint8)
    return FinalModel(
        record, "k" * 32, tmp_path / "model.keras", "# A card", metrics, tmp_path, ("final.json",), example
    )


def send(info: StudyInfo, final_model: FinalModel, home: Path) -> str:
    address = resolve_address(None, {}, home)
    connect(info, address)
    return register_in_store(info, final_model, address)


def everything(home: Path) -> dict[str, Any]:
    """Return what the store holds of final models."""
    client = MlflowClient(f"sqlite:///{home}/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.`sweep.kind` = 'final'")
    return {
        "runs": [(run.info.status, run.data.metrics, run.data.params["sweep.winner"]) for run in runs],
        "outputs": [len(run.outputs.model_outputs) for run in runs if run.outputs is not None],
        "studies": sorted(run.data.tags["sweep.study_id"] for run in runs),
        "models": [str(m.status) for m in client.search_logged_models([experiment.experiment_id])],
        "versions": sorted(str(v.version) for v in client.search_model_versions("name = 'demo'")),
        "champion": str(client.get_model_version_by_alias("demo", "champion").version),
    }


WHOLE = {
    "runs": [("FINISHED", {"test_accuracy": 0.75, "test_loss": 0.5}, "3")],
    "outputs": [1],
    "models": ["READY"],
    "versions": ["1"],
    "champion": "1",
}


@pytest.mark.parametrize(
    "step",
    ["log_batch", "log_artifacts", "create_logged_model", "log_model_artifacts", "log_outputs", "finalize_logged_model",
     "create_model_version", "set_tag", "set_terminated", "set_registered_model_alias"],
)  # fmt: skip
@pytest.mark.parametrize("done", [False, True])
def test_a_registration_interrupted_at_any_step_is_completed_by_the_next_call(
    info: StudyInfo, final_model: FinalModel, home: Path, monkeypatch: pytest.MonkeyPatch, step: str, done: bool
) -> None:
    """The store fails before the step, or after it: then the step is done, but its answer is lost."""
    real = getattr(MlflowClient, step)

    def cut(*words: Any, **named: Any) -> None:
        if done:
            real(*words, **named)
        raise OSError("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, step, cut)
        with pytest.raises(OSError, match="away"):
            send(info, final_model, home)
    assert send(info, final_model, home) == "1"
    assert send(info, final_model, home) == "1"
    assert everything(home) == {**WHOLE, "studies": [info.id]}


def test_two_studies_of_one_name_have_a_version_each(info: StudyInfo, final_model: FinalModel, home: Path) -> None:
    other = dataclasses.replace(info, id="2" * 32)
    assert (send(info, final_model, home), send(other, final_model, home), send(info, final_model, home)) == (
        "1",
        "2",
        "1",
    )
    assert everything(home)["studies"] == sorted([info.id, other.id])


def test_mlflow_reads_back_the_input_example(info: StudyInfo, final_model: FinalModel, home: Path) -> None:
    send(info, final_model, home)
    client = MlflowClient(f"sqlite:///{home}/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    (logged,) = client.search_logged_models([experiment.experiment_id])
    folder = url2pathname(urlsplit(logged.artifact_location).path)

    model = Model.load(folder)
    example: Any = model.load_input_example(folder)
    assert example.tolist() == [[[[0]] * 4] * 4]
    assert json.loads(model.get_serving_input(folder) or "") == {"inputs": [[[[0]] * 4] * 4]}
