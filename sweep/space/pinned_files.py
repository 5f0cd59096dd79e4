"""A user's files that a space refers to, pinned by their digest: source files of models, and weights files."""

from __future__ import annotations

import hashlib
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from sweep.errors import WeightsError
from sweep.space.model_sections import UserModelConfig

WORDS = ("imagenet", "none")
"""Values of `weights` that are not a path."""


class SourceError(Exception):
    """A module or a name in it cannot be used; the text says why and what to do."""


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_weights_file(weights: str, digest: str | None) -> None:
    """Check that a weights file exists and has not changed since the sweep started.

    Args:
        weights: a path, or one of `WORDS`, for which there is nothing to check.
        digest: SHA-256 of the file when the sweep started; None if it is not known yet.

    Raises:
        WeightsError: the file is missing, has another format or has changed.
    """
    if weights in WORDS:
        return
    path = Path(weights)
    if not path.is_file():
        raise WeightsError(f"there is no weights file {path}; write `weights: imagenet`, `none` or the path of a file")
    if not path.name.endswith(".h5"):
        raise WeightsError(f"the weights file {path} must end in .h5 or .weights.h5, as Keras writes them")
    if digest is not None and file_digest(path) != digest:
        raise WeightsError(
            f"the weights file {path} has changed since the sweep started; restore it, or start a new study"
        )


def find_module_source(module: str, folder: Path) -> tuple[Path, bool]:
    """Return the file of a module, and True if it is in `folder`, False if it is installed.

    Raises:
        SourceError: the module does not exist.
    """
    parts = module.split(".")
    for path in (folder.joinpath(*parts).with_suffix(".py"), folder.joinpath(*parts, "__init__.py")):
        if path.is_file():
            return path, True
    installed = _installed(parts)
    if installed is None:
        raise SourceError(
            f"there is no module {module}: neither {Path(*parts).with_suffix('.py')} in {folder}, nor an installed one"
        )
    return installed, False


def _installed(parts: list[str]) -> Path | None:
    """Find the file package by package, because `importlib.util.find_spec` would import the parent packages."""
    places: Any = sys.path
    spec = None
    for index in range(len(parts)):
        spec = PathFinder.find_spec(".".join(parts[: index + 1]), places)
        if spec is None:
            return None
        places = spec.submodule_search_locations
    return Path(spec.origin) if spec is not None and spec.origin and spec.origin.endswith(".py") else None


def changed_source(section: UserModelConfig) -> str:
    """Return why the source file is not the recorded one; "" if it is the recorded one."""
    if section.source_digest is None:
        return ""
    module = section.reference.split(":")[0]
    try:
        path, _ = find_module_source(module, Path(section.folder or "/nonexistent"))
    except SourceError as error:
        return str(error)
    now = file_digest(path)
    return "" if now == section.source_digest else f"{path} has changed: {section.source_digest[:12]} -> {now[:12]}"
