"""A Keras model as a logged model of MLflow, written without importing Keras or TensorFlow.

`mlflow.keras.save_model` needs the model in memory and saves it again. For a ResNet50 of 95 MB, it took 15 s in a
child process and wrote another file: 284 MB, with the state of an unused optimizer and without `sweep.json`. This
module takes 0.1 s and copies the file. MLflow's format is documented and small: the `.keras` file, the file MLmodel,
the environment and the input example. `mlflow.keras.load_model` and `mlflow.pyfunc` read it.
"""

from __future__ import annotations

import json
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from mlflow import MlflowClient, pyfunc
from mlflow.entities import LoggedModel, LoggedModelOutput
from mlflow.entities.logged_model_status import LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.types.schema import Schema, TensorSpec
from mlflow.version import VERSION

from sweep.records.array_types import UInt8Array
from sweep.records.trial_record import TrialRecord
from sweep.tracking.run_entry import trial_params

REQUIRED = ("keras", "tensorflow", "numpy")
"""Packages that the model needs; the record's environment has their versions."""


@contextmanager
def open_logged_model(
    client: MlflowClient,
    experiment_id: str,
    run_id: str,
    record: TrialRecord,
    *,
    name: str,
    tags: Mapping[str, str],
    step: int = 0,
) -> Iterator[tuple[LoggedModel, Path]]:
    """Yield the run's logged model and an empty folder, whose files become the model's artifacts when the block ends.

    If an earlier call was interrupted, the model that it created is completed.

    Raises:
        MlflowException, SQLAlchemyError, OSError: the store is unreachable or reports an error. Repeat the call later.
    """
    found = client.search_logged_models([experiment_id], filter_string=f"source_run_id = '{run_id}'")
    model = next(iter(found), None) or client.create_logged_model(
        experiment_id,
        name=name.replace(".", "-"),  # MLflow accepts no dot in a model's name
        source_run_id=run_id,
        params=trial_params(record),
        tags=dict(tags),
        model_type="image classifier",
    )
    with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
        yield model, Path(folder)
        client.log_model_artifacts(model.model_id, folder)
    outputs = client.get_run(run_id).outputs
    if outputs is None or not outputs.model_outputs:
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step)])
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def write_model(
    folder: Path, model_file: Path, record: TrialRecord, logged: LoggedModel, example: UInt8Array | None = None
) -> None:
    """Write the files that `mlflow.keras.save_model` would write.

    Args:
        folder: an empty folder for the files.
        model_file: the model as a .keras file.
        record: the trial's record.
        logged: MLflow's entry for the model.
        example: images for the input example, uint8 (n, h, w, c); None for a model without an input example.
    """
    data = folder / "data"
    data.mkdir()
    shutil.copyfile(model_file, data / "model.keras")
    (data / "keras_module.txt").write_text("keras", encoding="utf-8")
    pixels = TensorSpec(np.dtype("uint8"), (-1, *record.data.shape))
    outputs = TensorSpec(np.dtype("float32"), (-1, len(record.data.classes)))
    model = Model(
        artifact_path=logged.artifact_location,
        run_id=logged.source_run_id,
        utc_time_created=record.finished,
        model_uuid=logged.model_id,
        model_id=logged.model_id,
        signature=ModelSignature(inputs=Schema([pixels]), outputs=Schema([outputs])),
        model_size_bytes=model_file.stat().st_size,
        metadata={"classes": list(record.data.classes)},
    )
    version = record.environment.get("version.keras", "")
    model.add_flavor("keras", data="data", keras_version=version, keras_backend="tensorflow", save_exported_model=False)
    pyfunc.add_to_model(model, loader_module="mlflow.keras", conda_env="conda.yaml", python_env="python_env.yaml")
    if example is not None:
        pixel_values = example.tolist()
        (folder / "input_example.json").write_text(json.dumps(pixel_values))
        (folder / "serving_input_example.json").write_text(json.dumps({"inputs": pixel_values}, indent=2))
        model.saved_input_example_info = {
            "artifact_path": "input_example.json",
            "type": "ndarray",
            "serving_input_path": "serving_input_example.json",
        }
    model.save(folder / "MLmodel")
    _write_environment(folder, record.environment)


def _write_environment(folder: Path, environment: Mapping[str, str]) -> None:
    """Write the required packages in three formats. The YAML files contain JSON, which is valid YAML."""
    python = environment.get("version.python", platform.python_version())
    versions = {name: environment.get(f"version.{name}") for name in REQUIRED}
    needed = [f"mlflow=={VERSION}", *(f"{name}=={version}" if version else name for name, version in versions.items())]
    (folder / "requirements.txt").write_text("\n".join(needed) + "\n", encoding="utf-8")
    _write_json(folder / "python_env.yaml", {"python": python, "dependencies": ["-r requirements.txt"]})
    packages = [f"python={python}", "pip", {"pip": needed}]
    _write_json(folder / "conda.yaml", {"name": "mlflow-env", "channels": ["conda-forge"], "dependencies": packages})


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
