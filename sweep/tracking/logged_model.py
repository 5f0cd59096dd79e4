"""A trial's Keras model as a model of MLflow, made without importing Keras or TensorFlow.

`mlflow.keras.log_model` wants the model in memory, and so TensorFlow in this process. What it writes is documented and
small: the `.keras` file, the file MLmodel and the environment. `mlflow.keras.load_model` and `mlflow.pyfunc` read it.
"""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from mlflow import MlflowClient, pyfunc
from mlflow.entities import LoggedModel, LoggedModelOutput, Metric
from mlflow.entities.logged_model_status import LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.types.schema import Schema, TensorSpec
from mlflow.version import VERSION

from sweep.records.trial_record import TrialRecord
from sweep.tracking.run_entry import trial_params, trial_points
from sweep.tracking.run_files import copy_file

REQUIRED = ("keras", "tensorflow", "numpy")
"""Packages that the model needs, in the versions that it was trained with."""


def log_model(client: MlflowClient, experiment_id: str, run_id: str, record: TrialRecord, model_file: Path) -> None:
    """Give the run its model; after an attempt that was cut off, the model that was begun is completed.

    Raises:
        MlflowException, SQLAlchemyError, OSError: the store is away or refuses; calling again makes it good.
    """
    model = find_logged_model(client, experiment_id, run_id) or client.create_logged_model(
        experiment_id,
        name=model_name(record),
        source_run_id=run_id,
        params=trial_params(record),
        tags={"sweep.study": record.study, "sweep.trial": str(record.number)},
        model_type="image classifier",
    )
    with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
        write_model_folder(Path(folder), model_file, record, model, run_id)
        client.log_model_artifacts(model.model_id, folder)
    if not has_outputs(client, run_id):
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, record.best_epoch or 0)])
    client.log_batch(run_id, _metrics(record, model.model_id, run_id))
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def model_name(record: TrialRecord) -> str:
    """`digits-0007`; MLflow takes no dot in it."""
    return f"{record.study.replace('.', '-')}-{record.number:04d}"


def find_logged_model(client: MlflowClient, experiment_id: str, run_id: str) -> LoggedModel | None:
    """The run's model, perhaps not whole."""
    found = client.search_logged_models([experiment_id], filter_string=f"source_run_id = '{run_id}'")
    return found[0] if found else None


def has_outputs(client: MlflowClient, run_id: str) -> bool:
    """Whether the run names its model."""
    outputs = client.get_run(run_id).outputs
    return outputs is not None and bool(outputs.model_outputs)


def _metrics(record: TrialRecord, model_id: str, run_id: str) -> list[Metric]:
    """What the run has of the best epoch, said of the model as well."""
    return [
        Metric(p.key, p.value, p.timestamp, p.step, model_id=model_id, run_id=run_id)
        for p in trial_points(record)
        if p.step == record.best_epoch
    ]


def write_model_folder(folder: Path, model_file: Path, record: TrialRecord, logged: LoggedModel, run_id: str) -> None:
    """Write what `mlflow.keras.save_model` would into an empty folder.

    Args:
        folder: to write into.
        model_file: a .keras file.
        record: of its trial.
        logged: MLflow's entry for the model.
        run_id: of the trial's run.
    """
    data = folder / "data"
    data.mkdir()
    copy_file(model_file, data / "model.keras")
    (data / "keras_module.txt").write_text("keras", encoding="utf-8")
    model = Model(
        artifact_path=logged.artifact_location,
        run_id=run_id,
        utc_time_created=record.finished,
        model_uuid=logged.model_id,
        model_id=logged.model_id,
        signature=signature(record),
        model_size_bytes=model_file.stat().st_size,
        metadata={"classes": list(record.data.classes)},
    )
    version = record.environment.get("version.keras", "")
    model.add_flavor("keras", data="data", keras_version=version, keras_backend="tensorflow", save_exported_model=False)
    pyfunc.add_to_model(model, loader_module="mlflow.keras", conda_env="conda.yaml", python_env="python_env.yaml")
    model.save(folder / "MLmodel")
    _write_environment(folder, record.environment)


def signature(record: TrialRecord) -> ModelSignature:
    """Raw pixels 0..255 in, an output per class out."""
    pixels = TensorSpec(np.dtype("uint8"), (-1, *record.data.shape))
    outputs = TensorSpec(np.dtype("float32"), (-1, len(record.data.classes)))
    return ModelSignature(inputs=Schema([pixels]), outputs=Schema([outputs]))


def _write_environment(folder: Path, environment: Mapping[str, str]) -> None:
    """The packages in three forms; JSON is YAML."""
    python = environment.get("version.python", platform.python_version())
    needed = [f"mlflow=={VERSION}", *(_pinned(name, environment.get(f"version.{name}")) for name in REQUIRED)]
    (folder / "requirements.txt").write_text("\n".join(needed) + "\n", encoding="utf-8")
    _write_json(folder / "python_env.yaml", {"python": python, "dependencies": ["-r requirements.txt"]})
    packages = [f"python={python}", "pip", {"pip": needed}]
    _write_json(folder / "conda.yaml", {"name": "mlflow-env", "channels": ["conda-forge"], "dependencies": packages})


def _pinned(name: str, version: str | None) -> str:
    return f"{name}=={version}" if version else name


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
