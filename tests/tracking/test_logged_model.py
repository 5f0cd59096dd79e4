"""MLflow itself loads a logged model. Imports Keras, unlike the supervisor."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import keras
import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from sweep.records.trial_record import TrialRecord, trial_folder, write_record
from sweep.tracking.open_mlflow import sync_study
from sweep.tracking.tracker import StudyInfo

MakeRecord = Callable[..., TrialRecord]
pytestmark = pytest.mark.slow


def make_model(path: Path) -> keras.Model:
    """Raw 4x4 pixels to two classes, saved."""
    inputs = keras.Input((4, 4, 1), dtype="uint8", name="pixels")
    hidden = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(hidden))
    model.save(path)
    return model


def test_mlflow_loads_a_logged_model_that_predicts_the_same(
    make_record: MakeRecord, info: StudyInfo, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = make_record(3, "complete", epochs=4, model_file="model.keras", weights_digest="a" * 64)
    record = dataclasses.replace(
        record,
        data=dataclasses.replace(record.data, shape=(4, 4, 1)),
        environment={"version.keras": keras.__version__, "version.python": "3.11.2"},
    )
    info = dataclasses.replace(info, folder=tmp_path / "studies/demo")
    info.folder.mkdir(parents=True)
    folder = trial_folder(info.folder, 3)
    write_record(folder, record)
    model = make_model(folder / "model.keras")
    assert sync_study(info, [record], None, home).created == (3,)

    uri = f"sqlite:///{home}/mlflow/mlflow.db"
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    (logged,) = client.search_logged_models([experiment.experiment_id])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    images = np.arange(48, dtype=np.uint8).reshape(3, 4, 4, 1)
    wanted = model.predict(images, verbose=0)
    np.testing.assert_array_equal(mlflow.keras.load_model(logged.model_uri).predict(images, verbose=0), wanted)
    general = mlflow.pyfunc.load_model(logged.model_uri)
    np.testing.assert_array_equal(general.predict(images), wanted)
    signature = general.metadata.signature
    assert (signature.inputs.inputs[0].shape, str(signature.inputs.inputs[0].type)) == ((-1, 4, 4, 1), "uint8")
    assert general.metadata.metadata == {"classes": ["cat", "dog"]}
    requirements = Path(url2pathname(urlsplit(logged.artifact_location).path), "requirements.txt").read_text()
    assert requirements.splitlines() == [
        f"mlflow=={mlflow.__version__}",
        f"keras=={keras.__version__}",
        "tensorflow",
        "numpy",
    ]


def test_logging_models_needs_no_tensorflow() -> None:
    code = "import sys, sweep.tracking.mlflow_study; print([n for n in ('keras', 'tensorflow') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
