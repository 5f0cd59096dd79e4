"""Facts that a model's users need, stored inside its file: the classes in order, the size of the images."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from sweep.errors import ModelFileError
from sweep.records.array_types import Shape
from sweep.records.atomic_writing import atomic_write
from sweep.records.json_files import parse_json
from sweep.space.config import DataConfig
from sweep.space.model_sections import Output

FACTS_FILE = "sweep.json"
"""An entry of the .keras archive, which Keras ignores."""


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class ModelFacts:
    """The origin of a model.

    Attributes:
        classes: names, in the order of the model's outputs.
        shape: height, width, channels of its images.
        data: the images of its training and validation.
        digest: digest of their training part.
        threads: number of threads in its training.
        output: the kind of its outputs, from its space; None in older files.
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
    """Read the facts from a checked .keras file; None if it has none.

    Raises:
        ModelFileError: they are damaged.
    """
    with zipfile.ZipFile(path) as archive:
        if FACTS_FILE not in archive.namelist():
            return None
        return parse_json(_FACTS, archive.read(FACTS_FILE), f"{path}/{FACTS_FILE}", ModelFileError, "facts of a model")
