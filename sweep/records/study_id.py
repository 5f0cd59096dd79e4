"""The id of a study, which distinguishes studies with the same name: created once and kept in the study's folder."""

from __future__ import annotations

import os
import re
import uuid
from contextlib import suppress
from pathlib import Path

from sweep.errors import StudyError
from sweep.records.atomic_writing import sync

ID_FILE = "id"


def study_id(folder: Path) -> str:
    """Return the study's id, 32 hexadecimal digits; the first call creates it.

    The id does not affect training: it only decides which runs of a shared tracking store belong to the study. A study
    made with `--fork` gets another id; a study folder that is moved to another machine keeps its id.

    Raises:
        StudyError: the file cannot be read or written, or does not contain an id.
    """
    path = folder / ID_FILE
    try:
        if not path.exists():
            _make(path)
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: the study's id cannot be read or written: {error}") from None
    if not re.fullmatch(r"[0-9a-f]{32}", text):
        raise StudyError(
            f"{path}: expected 32 hexadecimal digits, received {text[:40]!r}; restore the file, or remove it (the "
            "study's runs in a tracking store are then created again)"
        )
    return text


def _make(path: Path) -> None:
    """Write a new id, unless another process (a sweep or a sync) is faster: only one can make a hard link at `path`."""
    new = uuid.uuid4().hex
    part = path.with_name(f"{path.name}.{new}.part")
    part.write_text(new + "\n", encoding="utf-8")
    sync(part)
    try:
        with suppress(FileExistsError):
            os.link(part, path)
            sync(path.parent)
    finally:
        part.unlink()
