"""A digest of what a trial's values determine: model, loss, optimizer, augmentation and training.

Two trials with different values and the same digest differ only in their seeds: the different values have no effect.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import keras

from sweep.space.config import TrialConfig, config_to_mapping

_WITHOUT_MEANING = ("name", "seed", "shared_object_id", "build_config")
"""Keys of a configuration that differ between equal models, or follow from other keys."""
_OF_THE_OPTIMIZER = ("optimizer", "momentum", "learning_rate", "label_smoothing")
"""Keys of the section `training` whose values are already part of the compiled model."""
_RECORDED_AS = {
    "sweep.models.preprocessing": "sweep.models.common",
    "sweep.models.optimizer": "sweep.models.schedule",
}
"""Modules of sweep's own layers and schedules, with their names in the digests of earlier records: a resumed study must
still recognize equal models."""


def model_digest(model: keras.Model, config: TrialConfig) -> str | None:
    """Return the SHA-256 over the configurations of the model, its optimizer and its loss, and the section `training`.

    Args:
        model: the model with augmentation layers, not yet trained, because training may change the learning rate.
        config: the trial's configuration.

    Returns:
        None if Keras cannot serialize the model (a subclass of keras.Model without `get_config`).
    """
    try:
        described = {
            "model": keras.saving.serialize_keras_object(model),
            "optimizer": _serialized(getattr(model, "optimizer", None)),
            "loss": _serialized(getattr(model, "loss", None)),
        }
    except (NotImplementedError, TypeError, ValueError):
        return None
    training = {k: v for k, v in config_to_mapping(config)["training"].items() if k not in _OF_THE_OPTIMIZER}
    names: dict[str, str] = {}
    _number_layers(described, names)
    plain = _plain({**described, "training": training}, names)
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()


def extended(digest: str | None, values: Mapping[str, Any]) -> str | None:
    """Return the digest of a model whose training has read further values, as in a user's `fit`."""
    if digest is None or not values:
        return digest
    return hashlib.sha256((digest + json.dumps(dict(values), sort_keys=True)).encode()).hexdigest()


def _serialized(part: Any) -> Any:
    return part if part is None or isinstance(part, str) else keras.saving.serialize_keras_object(part)


def _number_layers(value: Any, names: dict[str, str]) -> None:
    """Number the layers in the order of the model, because their names may depend on models built earlier."""
    if isinstance(value, Mapping):
        name = value.get("name")
        if isinstance(name, str):
            names.setdefault(name, f"#{len(names)}")
        for item in value.values():
            _number_layers(item, names)
    elif isinstance(value, list | tuple):
        for item in value:
            _number_layers(item, names)


def _plain(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item, names) for key, item in value.items() if key not in _WITHOUT_MEANING}
    if isinstance(value, list | tuple):
        return [_plain(item, names) for item in value]
    return names.get(value, _RECORDED_AS.get(value, value)) if isinstance(value, str) else value
