"""The final model of a study on its way to MLflow's registry, and a registered model on its way back.

mlflow is imported inside the functions, as in `sweep.tracking.open_mlflow` and for the same reason.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from sweep.errors import TrackingError
from sweep.records.final_result import Registration
from sweep.tracking.final_model import ALIAS, FinalModel
from sweep.tracking.open_mlflow import prepare_environment
from sweep.tracking.store_address import resolve_address, short_error
from sweep.tracking.tracker import StudyInfo

REFERENCE = re.compile(r"(models|runs):/[^\s]+")
"""`models:/name@champion`, `models:/name/3`, `models:/m-0123…`, `runs:/run id/path`."""


def register_model(info: StudyInfo, final_model: FinalModel, uri: str | None, home: Path) -> Registration:
    """Register the final model under the study's name and give it the alias `champion`; a second time changes nothing.

    Args:
        info: of the study.
        final_model: the model and what belongs to it.
        uri: tracking URI, as for `sweep.tracking.open_mlflow.open_mlflow`.
        home: as there.

    Raises:
        TrackingError: the URI is unusable, or the store is away or refuses.
    """
    address = resolve_address(uri, os.environ, home)
    prepare_environment()
    from sweep.tracking.mlflow_database import STORE_ERRORS

    try:
        from sweep.tracking.mlflow_registry import register_in_store
        from sweep.tracking.open_mlflow import connect

        connect(info, address)  # makes the database where there is none
        version = register_in_store(info, final_model, address)
    except (*STORE_ERRORS, ImportError) as error:  # ImportError: the driver of a database
        raise TrackingError(f"{address.shown}: the model cannot be registered: {short_error(str(error))}") from error
    return Registration(address.shown, info.name, version, ALIAS)


def download_model(reference: str, uri: str | None, home: Path, folder: Path) -> tuple[Path, tuple[str, ...] | None]:
    """Download a model from MLflow.

    Args:
        reference: `models:/…` or `runs:/…`.
        uri: tracking URI, as for `register_model`.
        home: as there.
        folder: to download into.

    Returns:
        The .keras file, not yet checked, and the names of its classes where the model has them.

    Raises:
        TrackingError: the store is away, or it has no such model, or no Keras model.
    """
    address = resolve_address(uri, os.environ, home)
    prepare_environment()
    from sweep.tracking.mlflow_database import STORE_ERRORS

    try:
        from sweep.tracking.mlflow_registry import download

        found = download(reference, address, folder)
    except (*STORE_ERRORS, ImportError) as error:
        raise TrackingError(
            f"{reference} in {address.shown}: the model cannot be had: {short_error(str(error))}"
        ) from error
    files = sorted(found.rglob("*.keras")) if found.is_dir() else [found]
    if not files:
        raise TrackingError(f"{reference} in {address.shown}: expected a Keras model, found no .keras file in it")
    from sweep.tracking.mlflow_registry import classes_of

    return files[0], classes_of(found)
