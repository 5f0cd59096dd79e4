"""Weights files of the user's own: there, and the same as when the sweep began."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sweep.errors import WeightsError

WORDS = ("imagenet", "none")
"""What `weights` can be beside a path."""


def check_weights_file(weights: str, digest: str | None) -> None:
    """A weights file must be there, and be the one that the sweep began with.

    Args:
        weights: one of `WORDS`, which are always fine, or a path.
        digest: of the file as it was; None where that is not known yet.

    Raises:
        WeightsError: it is not.
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
            f"the weights file {path} has changed since the sweep began; restore it, or begin a new study"
        )


def file_digest(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
