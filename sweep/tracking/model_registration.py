"""The final model of a study and MLflow's registry: what is handed over, and the way there and back.

mlflow is imported inside the functions, as in `sweep.tracking.open_mlflow` and for the same reason.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sweep.errors import TrackingError
from sweep.records.trial_record import TrialRecord
from sweep.tracking.open_mlflow import gist, prepare_environment
from sweep.tracking.store_address import resolve_address
from sweep.tracking.tracker import StudyInfo

ALIAS = "champion"
REFERENCE = re.compile(r"(models|runs):/[^\s]+")
"""`models:/name@champion`, `models:/name/3`, `models:/m-0123…`, `runs:/run id/path`."""


@dataclass(frozen=True, eq=False)
class Shipment:
    """What MLflow gets of a final model.

    Attributes:
        record: of the winner, with the configuration, images and environment of the final training.
        key: of the training: equal keys are the same model.
        model_file: a .keras file.
        card: the model card, Markdown.
        metrics: of the test set.
        files: folder whose files become artifacts of the run.
        names: those files, relative to the folder.
        example: uint8 (1, h, w, c), a training image.
    """

    record: TrialRecord
    key: str
    model_file: Path
    card: str
    metrics: Mapping[str, float]
    files: Path
    names: tuple[str, ...]
    example: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Registered:
    """A version in the registry of a store."""

    store: str
    name: str
    version: str
    alias: str


def register(info: StudyInfo, shipment: Shipment, uri: str | None, home: Path) -> Registered:
    """Register the final model under the study's name and give it the alias `champion`; a second time changes nothing.

    Args:
        info: of the study.
        shipment: the model and what belongs to it.
        uri: tracking URI, as for `sweep.tracking.open_mlflow.open_mlflow`.
        home: as there.

    Raises:
        TrackingError: the URI is unusable, or the store is away or refuses.
    """
    address = resolve_address(uri, os.environ, home)
    prepare_environment()
    from sweep.tracking.mlflow_store import STORE_ERRORS

    try:
        from sweep.tracking.mlflow_registry import register_shipment
        from sweep.tracking.open_mlflow import connect

        connect(info, address)  # makes the database where there is none
        version = register_shipment(info, shipment, address)
    except (*STORE_ERRORS, ImportError) as error:  # ImportError: the driver of a database
        raise TrackingError(f"{address.shown}: the model cannot be registered: {gist(str(error))}") from error
    return Registered(address.shown, info.name, version, ALIAS)


def fetch(reference: str, uri: str | None, home: Path, folder: Path) -> tuple[Path, tuple[str, ...] | None]:
    """Download a model from MLflow.

    Args:
        reference: `models:/…` or `runs:/…`.
        uri: tracking URI, as for `register`.
        home: as there.
        folder: to download into.

    Returns:
        The .keras file, not yet checked, and the names of its classes where the model has them.

    Raises:
        TrackingError: the store is away, or it has no such model, or no Keras model.
    """
    address = resolve_address(uri, os.environ, home)
    prepare_environment()
    from sweep.tracking.mlflow_store import STORE_ERRORS

    try:
        from sweep.tracking.mlflow_registry import download

        found = download(reference, address, folder)
    except (*STORE_ERRORS, ImportError) as error:
        raise TrackingError(f"{reference} in {address.shown}: the model cannot be had: {gist(str(error))}") from error
    files = sorted(found.rglob("*.keras")) if found.is_dir() else [found]
    if not files:
        raise TrackingError(f"{reference} in {address.shown}: expected a Keras model, found no .keras file in it")
    from sweep.tracking.mlflow_registry import classes_of

    return files[0], classes_of(found)
