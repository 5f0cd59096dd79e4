"""The final model in MLflow: a run of its own below the study's, the logged model, a registered version.

Importing this module imports mlflow: see `sweep.tracking.model_registration`.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import mlflow.artifacts
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Metric, Param, Run
from mlflow.entities.logged_model_status import LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.models.utils import _save_example

from sweep.errors import TrackingError
from sweep.tracking.final_model import ALIAS, FinalModel
from sweep.tracking.logged_model import find_logged_model, has_outputs, write_model_folder
from sweep.tracking.mlflow_study import ensure_experiment, search_runs
from sweep.tracking.run_entry import MAX_TAG, milliseconds, shorten, trial_params
from sweep.tracking.store_address import Address
from sweep.tracking.study_entry import NOTE_TAG, study_identity
from sweep.tracking.tracker import StudyInfo

KEY_TAG, VERSION_TAG = "sweep.key", "sweep.version"
MAX_DESCRIPTION = 5000
"""Of a version, from mlflow/store/model_registry/dbmodels/models.py; the whole card is beside the model."""


def register_in_store(info: StudyInfo, final_model: FinalModel, address: Address) -> str:
    """The version of the registered model; made where there is none of this key.

    Every step is left out that an earlier call, cut off anywhere, has done.

    Raises:
        MlflowException, SQLAlchemyError, OSError: the store is away or refuses; calling again makes it good.
    """
    client = MlflowClient(tracking_uri=address.uri, registry_uri=address.uri)
    experiment = ensure_experiment(client, info.name, address.artifacts)
    run = _find_run(client, experiment, info, final_model.key) or _make_run(client, experiment, info, final_model)
    _log_values(client, run, final_model)
    version = run.data.tags.get(VERSION_TAG) or _find_version(client, info.name, run)
    if version is None:
        version = _make_version(client, experiment, run, info, final_model)
    if run.info.status != "FINISHED":
        client.set_tag(run.info.run_id, VERSION_TAG, version)
        client.set_terminated(run.info.run_id, "FINISHED", milliseconds(final_model.record.finished or ""))
    client.set_registered_model_alias(info.name, ALIAS, version)
    return str(version)


def _find_run(client: MlflowClient, experiment: str, info: StudyInfo, key: str) -> Run | None:
    """Of this very study: on a shared server another one may have its name, and even the same best model."""
    found = list(search_runs(client, experiment, info, f"tags.`sweep.kind` = 'final' and tags.`{KEY_TAG}` = '{key}'"))
    return found[-1] if found else None


def _make_run(client: MlflowClient, experiment: str, info: StudyInfo, final_model: FinalModel) -> Run:
    parents = list(search_runs(client, experiment, info, "tags.`sweep.kind` = 'study'"))
    tags = {**study_identity(info), "sweep.kind": "final", KEY_TAG: final_model.key}
    tags[NOTE_TAG] = shorten(final_model.card, MAX_TAG)
    if parents:
        tags["mlflow.parentRunId"] = parents[-1].info.run_id
    run: Run = client.create_run(
        experiment, milliseconds(final_model.record.started), tags, f"final {final_model.metrics['test_accuracy']:.4f}"
    )
    return run


def _log_values(client: MlflowClient, run: Run, final_model: FinalModel) -> None:
    """The metrics that the run has not; params may be told twice."""
    now = round(time.time() * 1000)
    missing = [Metric(key, value, now, 0) for key, value in final_model.metrics.items() if key not in run.data.metrics]
    if missing:
        params = {**trial_params(final_model.record), "sweep.winner": str(final_model.record.number)}
        client.log_batch(run.info.run_id, missing, [Param(key, value) for key, value in params.items()])


def _find_version(client: MlflowClient, name: str, run: Run) -> str | None:
    found = client.search_model_versions(f"run_id = '{run.info.run_id}'", max_results=1)
    return str(found[0].version) if found and found[0].name == name else None


def _make_version(client: MlflowClient, experiment: str, run: Run, info: StudyInfo, final_model: FinalModel) -> str:
    run_id = run.info.run_id
    _log_files(client, run_id, final_model)
    logged = find_logged_model(client, experiment, run_id) or client.create_logged_model(
        experiment,
        name=f"{info.name.replace('.', '-')}-final",
        source_run_id=run_id,
        params=trial_params(final_model.record),
        tags={"sweep.study": info.name, "sweep.kind": "final"},
        model_type="image classifier",
    )
    with tempfile.TemporaryDirectory(prefix="sweep-") as name:
        folder = Path(name)
        write_model_folder(folder, final_model.model_file, final_model.record, logged, run_id)
        (folder / "model_card.md").write_text(final_model.card, encoding="utf-8")
        model = Model.load(folder / "MLmodel")
        _save_example(model, final_model.example, str(folder))  # the example goes into the model's description
        model.save(folder / "MLmodel")
        client.log_model_artifacts(logged.model_id, name)
    if not has_outputs(client, run_id):
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    _ensure_registered(client, info.name)
    said = shorten(final_model.card, MAX_DESCRIPTION)
    made = client.create_model_version(
        info.name, logged.artifact_location, run_id, description=said, model_id=logged.model_id
    )
    return str(made.version)


def _log_files(client: MlflowClient, run_id: str, final_model: FinalModel) -> None:
    with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
        for name in final_model.names:
            target = Path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(final_model.files / name, target)
        client.log_artifacts(run_id, folder, "final")


def _ensure_registered(client: MlflowClient, name: str) -> None:
    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_registered_model(name, description=f"Final models of the study {name}; see each version's card.")


def download(reference: str, address: Address, folder: Path) -> Path:
    """Where the artifacts of a model, or a single file of a run, lie after the download.

    Raises:
        MlflowException, SQLAlchemyError, OSError: the store is away, or has no such model.
        TrackingError: `models:/…` is followed by something else than a name with alias or version, or an id.
    """
    client = MlflowClient(tracking_uri=address.uri, registry_uri=address.uri)
    place = _model_place(client, reference) if reference.startswith("models:/") else _run_place(client, reference)
    found = mlflow.artifacts.download_artifacts(place, dst_path=str(folder), tracking_uri=address.uri)
    return Path(found)


def _model_place(client: MlflowClient, reference: str) -> str:
    """Where a model's artifacts are. MLflow's own resolution asks the process-wide store, whatever it is told."""
    name, at, rest = reference.removeprefix("models:/").rpartition("@")
    if not at:
        name, _, rest = reference.removeprefix("models:/").partition("/")
    if not at and not rest:
        return str(client.get_logged_model(name).artifact_location)
    if not at and not rest.isdecimal():
        raise TrackingError(f"{reference}: expected models:/NAME@ALIAS, models:/NAME/VERSION or models:/ID")
    version = client.get_model_version_by_alias(name, rest) if at else client.get_model_version(name, rest)
    if version.model_id:
        return str(client.get_logged_model(version.model_id).artifact_location)
    return str(client.get_model_version_download_uri(version.name, version.version))


def _run_place(client: MlflowClient, reference: str) -> str:
    """`runs:/ID/NAME` is the run's logged model of that name, else a file among the run's artifacts."""
    run_id, _, name = reference.removeprefix("runs:/").partition("/")
    outputs = client.get_run(run_id).outputs
    for output in outputs.model_outputs if outputs is not None else ():
        logged = client.get_logged_model(output.model_id)
        if name in ("", "model", logged.name):
            return str(logged.artifact_location)
    return reference


def classes_of(folder: Path) -> tuple[str, ...] | None:
    """The names of the classes that a downloaded model says it has."""
    if not (folder / "MLmodel").is_file():
        return None
    names = (Model.load(folder / "MLmodel").metadata or {}).get("classes")
    return tuple(str(name) for name in names) if isinstance(names, list) else None
