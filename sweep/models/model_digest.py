"""A digest of all that a trial's values have made: model, loss, optimizer, augmentation, and how it is trained.

Two trials with different values and one digest differ in nothing but their seeds: some value had no effect.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import keras

from sweep.space.config import TrialConfig, config_to_mapping

_WITHOUT_MEANING = ("name", "seed", "shared_object_id", "build_config")
"""Keys of a configuration that differ between equal models, or follow from the others."""
_OF_THE_OPTIMIZER = ("optimizer", "momentum", "learning_rate", "label_smoothing")
"""Keys of the section `training` that are in the compiled model already."""
_RECORDED_AS = {
    "sweep.models.augmentation": "sweep.models.common",
    "sweep.models.learning_rate_schedule": "sweep.models.schedule",
}
"""Modules of our own layers and schedules, as the digests of earlier records have them: a study that goes on must still
recognise equal models."""


def model_digest(model: keras.Model, config: TrialConfig) -> str | None:
    """sha256 over the model's configuration, its optimizer's and its loss's, and the section `training`.

    Args:
        model: as it is trained, augmentation layers included; before training, which may change the learning rate.
        config: of the trial.

    Returns:
        None where the model cannot tell its configuration (a subclass of keras.Model without `get_config`).
    """
    try:
        told = {
            "model": keras.saving.serialize_keras_object(model),
            "optimizer": _told(getattr(model, "optimizer", None)),
        }
        told["loss"] = _told(getattr(model, "loss", None))
    except (NotImplementedError, TypeError, ValueError):
        return None
    training = {k: v for k, v in config_to_mapping(config)["training"].items() if k not in _OF_THE_OPTIMIZER}
    names: dict[str, str] = {}
    _collect(told, names)
    plain = _plain({**told, "training": training}, names)
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()


def extended(digest: str | None, values: Mapping[str, Any]) -> str | None:
    """The digest of a model whose training has read further values, as in a `fit` of the user's."""
    if digest is None or not values:
        return digest
    return hashlib.sha256((digest + json.dumps(dict(values), sort_keys=True)).encode()).hexdigest()


def _told(part: Any) -> Any:
    return part if part is None or isinstance(part, str) else keras.saving.serialize_keras_object(part)


def _collect(value: Any, names: dict[str, str]) -> None:
    """Give each layer a number in the order of the model: its name may depend on what was built before."""
    if isinstance(value, Mapping):
        name = value.get("name")
        if isinstance(name, str):
            names.setdefault(name, f"#{len(names)}")
        for item in value.values():
            _collect(item, names)
    elif isinstance(value, list | tuple):
        for item in value:
            _collect(item, names)


def _plain(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item, names) for key, item in value.items() if key not in _WITHOUT_MEANING}
    if isinstance(value, list | tuple):
        return [_plain(item, names) for item in value]
    return names.get(value, _RECORDED_AS.get(value, value)) if isinstance(value, str) else value
