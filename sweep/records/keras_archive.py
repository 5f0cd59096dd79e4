"""Check a .keras file before Keras opens it, and read the facts that sweep stores in it.

The check refuses files that could run code, write outside of their folder, or fill the memory.

Keras's `safe_mode` stays on as well. Its known gaps (CVE-2024-3660, CVE-2025-1550, CVE-2025-8747) all need classes
or functions that a model of sweep never contains, so the check allows only Keras's layers and similar objects.
"""

from __future__ import annotations

import json
import re
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import h5py
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from sweep.errors import ModelFileError
from sweep.records.array_types import Shape
from sweep.records.atomic_writing import atomic_write
from sweep.records.json_files import parse_json
from sweep.space.config import DataConfig
from sweep.space.model_sections import Output

FACTS_FILE = "sweep.json"
"""The entry of a .keras archive with sweep's facts; Keras ignores it."""
CONFIG_FILE, METADATA_FILE, WEIGHTS_FILE = "config.json", "metadata.json", "model.weights.h5"
ENTRIES = (CONFIG_FILE, METADATA_FILE, WEIGHTS_FILE, FACTS_FILE)

MAX_TEXT = 64 * 2**20
MAX_RATIO = 20
"""Maximum ratio of an entry's size to its compressed size. Weights compress badly; a larger one suggests a zip bomb."""

MODULES = re.compile(
    r"keras(\.(layers|models|initializers|regularizers|constraints|optimizers(\.schedules)?|losses|metrics"
    r"|dtype_policies|src\.(layers|models|ops|initializers|optimizers|dtype_policies)(\.\w+)*))?"
)
"""Allowed modules of a model's classes. `keras.utils`, for example, is refused: it can fetch and unpack files."""
REFUSED = {
    "Lambda": "runs code of the file",
    "TorchModuleWrapper": "holds a pickle, which runs code of the file",
    "TFSMLayer": "runs another saved model",
    "JaxLayer": "runs code of the file",
    "FlaxLayer": "runs code of the file",
    "StringLookup": "may read files of this machine",
    "IntegerLookup": "may read files of this machine",
    "TextVectorization": "may read files of this machine",
}
"""Refused classes of `keras.layers`, which do more than compute, each with the reason."""
VALUES = ("__keras_tensor__", "__tensor__", "__numpy__", "__slice__", "__ellipsis__")
"""Keras's markers for plain values, which are allowed; its other marker, `__lambda__`, is for code and refused."""


def check_archive(path: Path) -> None:
    """Raise ModelFileError unless a file is an undamaged .keras file that contains only layers and weights."""
    try:
        if not zipfile.is_zipfile(path):
            raise _refusal(path, _kind(path.read_bytes()[:8]))
        with zipfile.ZipFile(path) as archive:
            _check_entries(path, archive)
            _check_config(path, archive)
            _check_weights(path, archive)
    except OSError as error:
        raise ModelFileError(f"{path}: the model cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, KeyError) as error:
        raise ModelFileError(f"{path}: the model file is damaged: {error}; use another copy of it") from None


def _refusal(path: Path, what: str) -> ModelFileError:
    return ModelFileError(f"{path}: refused, its code was not run: {what}")


def _kind(head: bytes) -> str:
    if head.startswith(b"\x80"):
        return "this is a pickle, which runs code when it is opened; expected a .keras file"
    if head.startswith(b"\x89HDF"):
        return "this is an HDF5 file; expected a .keras file (if you trust it, save it as a .keras file with Keras)"
    return "this is not a .keras file (a zip archive with config.json and model.weights.h5)"


def _check_entries(path: Path, archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    for entry in entries:
        place = PurePosixPath(entry.filename.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or ":" in entry.filename:
            raise _refusal(path, f"its entry {entry.filename!r} leads out of the archive")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise _refusal(path, f"its entry {entry.filename!r} is a link to another file")
        if entry.filename not in ENTRIES:
            raise _refusal(path, f"it holds {entry.filename!r}; expected only {', '.join(ENTRIES)}")
        if entry.file_size > max(MAX_RATIO * entry.compress_size, 2**20):
            raise _refusal(
                path, f"its entry {entry.filename!r} grows from {entry.compress_size:,} to {entry.file_size:,} bytes"
            )
        if entry.filename != WEIGHTS_FILE and entry.file_size > MAX_TEXT:
            raise _refusal(path, f"its entry {entry.filename!r} has {entry.file_size:,} bytes of text")
    if len(set(names)) < len(names):
        raise _refusal(path, "two of its entries have the same name")
    for name in (CONFIG_FILE, METADATA_FILE, WEIGHTS_FILE):
        if name not in names:
            raise ModelFileError(f"{path}: not a .keras file: it has no {name}")


def _check_config(path: Path, archive: zipfile.ZipFile) -> None:
    try:
        config = json.loads(archive.read(CONFIG_FILE))
        objects = list(_objects(config))
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path}: the model file is damaged: {CONFIG_FILE}: {error}") from None
    for item in objects:
        name, module = item["class_name"], item.get("module")
        if name in REFUSED:
            raise _refusal(path, f"it holds a {name} layer, which {REFUSED[name]}")
        if name in VALUES:
            continue
        if not isinstance(name, str) or name.startswith("__"):
            raise _refusal(path, f"it holds {name!r}, which stands for code of the file")
        if module is not None and not MODULES.fullmatch(str(module)):
            raise _refusal(path, f"it holds {name} of {module}, which is not one of Keras's layers")
        if name == "function" or (module is None and item.get("registered_name") not in (None, name)):
            raise _refusal(path, f"it holds {name} {item.get('config')!r}, which is not one of Keras's layers")


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Every serialized object in a configuration."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        for value in config.values():
            yield from _objects(value)
    elif isinstance(config, list):
        for value in config:
            yield from _objects(value)


def _check_weights(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse references to other files: HDF5 would read their content as weights."""
    with archive.open(WEIGHTS_FILE) as stream, h5py.File(stream, "r") as weights:
        for name in _foreign(weights):
            raise _refusal(path, f"its weights {name!r} are in another file")


def _foreign(group: Any) -> Iterator[str]:
    for key in group:
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            yield f"{group.name}/{key}"
            continue
        item = group[key]
        if isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                yield str(item.name)
        else:
            yield from _foreign(item)


def input_shape(path: Path) -> Shape:
    """The height, width and channels of the model's input images, read from a checked file without Keras.

    Raises ModelFileError if the model does not take images of one fixed size.
    """
    with zipfile.ZipFile(path) as archive:
        objects = _objects(json.loads(archive.read(CONFIG_FILE)))
        inputs = [item.get("config", {}) for item in objects if item["class_name"] == "InputLayer"]
    shape = (inputs[0].get("batch_shape") or []) if inputs else []
    if len(shape) == 4 and shape[3] in (1, 3) and all(isinstance(side, int) for side in shape[1:]):
        return shape[1], shape[2], shape[3]
    raise ModelFileError(f"{path}: expected the input (height, width, 1 or 3), received {shape or 'an unknown input'}")


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class ModelFacts:
    """The origin of a model.

    Attributes:
        classes: names, in the order of the model's outputs.
        shape: height, width, channels of its images.
        data: the configuration of its training and validation images.
        digest: digest of these images, as in `DataStamp`.
        threads: number of threads that trained the model.
        output: the kind of the model's outputs, from the study's space; None in older files.
    """

    study: str
    trial: int
    classes: tuple[str, ...]
    shape: Shape
    data: DataConfig
    digest: str
    threads: int = 1
    output: Output | None = None


_FACTS = TypeAdapter(ModelFacts)


def embed_facts(source: Path, target: Path, facts: ModelFacts) -> None:
    """Copy a .keras file to `target` and add the facts, atomically."""
    with atomic_write(target) as part:
        shutil.copyfile(source, part)
        with zipfile.ZipFile(part, "a") as archive:
            if FACTS_FILE not in archive.namelist():
                archive.writestr(FACTS_FILE, _FACTS.dump_json(facts, indent=1))


def read_facts(path: Path) -> ModelFacts | None:
    """Read the facts from a checked .keras file; None if it has none. Raises ModelFileError for damaged facts."""
    with zipfile.ZipFile(path) as archive:
        if FACTS_FILE not in archive.namelist():
            return None
        return parse_json(_FACTS, archive.read(FACTS_FILE), f"{path}/{FACTS_FILE}", ModelFileError, "facts of a model")
