"""Model files by hand, good ones and tampered ones; no Keras is needed to make them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py


def layer(name: str, config: Mapping[str, Any], module: str | None = "keras.layers", **more: Any) -> dict[str, Any]:
    """A layer as a .keras file describes it."""
    return {"module": module, "class_name": name, "config": dict(config), "registered_name": None, **more}


INPUT = layer("InputLayer", {"batch_shape": [None, 8, 8, 1], "dtype": "uint8", "name": "pixels"})
DENSE = layer("Dense", {"units": 2, "activation": "softmax", "name": "output"})


def model_config(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """A model of these layers."""
    functional = {"name": "vgg", "layers": [INPUT, *layers, DENSE]}
    return layer("Functional", functional, "keras.src.models.functional", registered_name="Functional")


def weights(link: str = "") -> bytes:
    """An HDF5 file with one array, and where asked for a link to another file."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["layers/output/vars/0"] = [1.0, 2.0]
        if link:
            file["layers/output/vars/1"] = h5py.ExternalLink(link, "/secret")
    return stream.getvalue()


def write_model(
    path: Path, *layers: Mapping[str, Any], entries: Mapping[str, bytes] | None = None, link: str = ""
) -> Path:
    """A .keras file of these layers, with more entries than it should have."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("config.json", json.dumps(model_config(*layers)))
        archive.writestr("model.weights.h5", weights(link))
        for name, content in (entries or {}).items():
            archive.writestr(name, content)
    return path
