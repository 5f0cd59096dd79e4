"""The final model in MLflow: a run below the study's run, a logged model, and a registered version.

Importing this module imports mlflow, so `sweep.tracking.open_mlflow` imports it only when it is needed.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import mlflow.artifacts
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from sweep.errors import TrackingError
from sweep.tracking.logged_model import open_logged_model, write_model
from sweep.tracking.mlflow_store import ensure_experiment, find_run, make_client
from sweep.tracking.run_entry import MAX_TAG, milliseconds, shorten, trial_params
from sweep.tracking.store_address import Address
from sweep.tracking.study_entry import NOTE_TAG, study_identity
from sweep.tracking.tracker import ALIAS, FinalModel, StudyInfo

KEY_TAG, VERSION_TAG = "sweep.key", "sweep.version"
MAX_DESCRIPTION = 5000
"""MLflow's limit for a version's description (in store/model_registry/dbmodels); the complete card is an artifact."""


def register_in_store(info: StudyInfo, final_model: FinalModel, address: Address) -> str:
    """Return the version of the registered model; it is created if there is no version with the final model's key.

    Steps that an earlier call completed, even if that call was interrupted, are skipped.

    Raises:
        MlflowException, SQLAlchemyError, OSError: the store is unreachable or reports an error. Repeat the call later.
    """
    client = make_client(address)
    experiment = ensure_experiment(client, info.name, address.artifacts)
    # `find_run` finds only runs of this study: on a shared server, another may have the same name and best model.
    final = f"tags.`sweep.kind` = 'final' and tags.`{KEY_TAG}` = '{final_model.key}'"
    run = find_run(client, experiment, info, final) or _create_run(client, experiment, info, final_model)
    _log_values(client, run, final_model)
    version = run.data.tags.get(VERSION_TAG) or _find_version(client, info.name, run)
    if version is None:
        version = _create_version(client, experiment, run, info, final_model)
    if run.info.status != "FINISHED":
        client.set_tag(run.info.run_id, VERSION_TAG, version)
        client.set_terminated(run.info.run_id, "FINISHED", milliseconds(final_model.record.finished or ""))
    client.set_registered_model_alias(info.name, ALIAS, version)
    return str(version)


def _create_run(client: MlflowClient, experiment: str, info: StudyInfo, final_model: FinalModel) -> Run:
    parent = find_run(client, experiment, info, "tags.`sweep.kind` = 'study'")
    tags = {**study_identity(info), "sweep.kind": "final", KEY_TAG: final_model.key}
    tags[NOTE_TAG] = shorten(final_model.card, MAX_TAG)
    if parent is not None:
        tags["mlflow.parentRunId"] = parent.info.run_id
    started, accuracy = milliseconds(final_model.record.started), final_model.metrics["test_accuracy"]
    run: Run = client.create_run(experiment, started, tags, f"final {accuracy:.4f}")
    return run


def _log_values(client: MlflowClient, run: Run, final_model: FinalModel) -> None:
    """Log the metrics that the run lacks, and all params: MLflow accepts a param again if its value is the same."""
    now = round(time.time() * 1000)
    missing = [Metric(key, value, now, 0) for key, value in final_model.metrics.items() if key not in run.data.metrics]
    if missing:
        params = {**trial_params(final_model.record), "sweep.winner": str(final_model.record.number)}
        client.log_batch(run.info.run_id, missing, [Param(key, value) for key, value in params.items()])


def _find_version(client: MlflowClient, name: str, run: Run) -> str | None:
    found = client.search_model_versions(f"run_id = '{run.info.run_id}'", max_results=1)
    return str(found[0].version) if found and found[0].name == name else None


def _create_version(client: MlflowClient, experiment: str, run: Run, info: StudyInfo, final_model: FinalModel) -> str:
    run_id, record, card = run.info.run_id, final_model.record, final_model.card
    with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
        for name in final_model.names:
            target = Path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(final_model.files / name, target)
        client.log_artifacts(run_id, folder, "final")
    tags = {"sweep.study": info.name, "sweep.kind": "final"}
    name = f"{info.name}-final"
    with open_logged_model(client, experiment, run_id, record, name=name, tags=tags) as (logged, files):
        write_model(files, final_model.model_file, record, logged, final_model.example)
        (files / "model_card.md").write_text(card, encoding="utf-8")
    _ensure_registered(client, info.name)
    version = client.create_model_version(
        info.name,
        logged.artifact_location,
        run_id,
        description=shorten(card, MAX_DESCRIPTION),
        model_id=logged.model_id,
    )
    return str(version.version)


def _ensure_registered(client: MlflowClient, name: str) -> None:
    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_registered_model(name, description=f"Final models of the study {name}; see each version's card.")


def download(reference: str, address: Address, folder: Path) -> Path:
    """Download a model's artifacts, or a single file of a run, and return the path of the copy.

    Raises:
        MlflowException, SQLAlchemyError, OSError: the store is unreachable or has no such model.
        TrackingError: the text after `models:/` is neither a name with an alias or a version, nor an id.
    """
    client = make_client(address)
    place = _model_place(client, reference) if reference.startswith("models:/") else _run_place(client, reference)
    found = mlflow.artifacts.download_artifacts(place, dst_path=str(folder), tracking_uri=address.uri)
    return Path(found)


def _model_place(client: MlflowClient, reference: str) -> str:
    """Return where a model's artifacts are. MLflow's own function asks the process-wide store, not the client's."""
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
    """Return where `runs:/ID/NAME` is: the run's logged model with that name, or else a file of the run's artifacts."""
    run_id, _, name = reference.removeprefix("runs:/").partition("/")
    outputs = client.get_run(run_id).outputs
    for output in outputs.model_outputs if outputs is not None else ():
        logged = client.get_logged_model(output.model_id)
        if name in ("", "model", logged.name):
            return str(logged.artifact_location)
    return reference


def stored_classes(folder: Path) -> tuple[str, ...] | None:
    """Return the class names in a downloaded model's metadata; None if there are no class names."""
    if not (folder / "MLmodel").is_file():
        return None
    names = (Model.load(folder / "MLmodel").metadata or {}).get("classes")
    return tuple(str(name) for name in names) if isinstance(names, list) else None
