"""What tells two studies of one name apart: an id that is made once and stays in the study's folder."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path

from sweep.errors import StudyError
from sweep.records.atomic_writing import sync

ID_FILE = "id"


def study_id(folder: Path) -> str:
    """The study's id, 32 hexadecimal digits; the first call makes it.

    It is no part of what is random in a study: it decides only which runs of a shared tracking store are the study's.
    A fork has another one; a folder that was moved to another machine keeps its own.

    Args:
        folder: `studies/NAME`.

    Raises:
        StudyError: the file cannot be read or written, or holds something else.
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
            f"{path}: expected 32 hexadecimal digits, received {text[:40]!r}; restore the file, or remove it: the "
            "study's runs in a tracking store are then made anew"
        )
    return text


def _make(path: Path) -> None:
    """Two processes may come at once, a sweep and a sync; a link is made by one of them only, and whole."""
    made = uuid.uuid4().hex
    part = path.with_name(f"{path.name}.{made}.part")
    part.write_text(made + "\n", encoding="utf-8")
    sync(part)
    try:
        os.link(part, path)
        sync(path.parent)
    except FileExistsError:
        pass
    finally:
        part.unlink()
