"""Writing a file as a whole: a reader sees the new text or the old one, never half of either."""

from __future__ import annotations

import os
from pathlib import Path

from sweep.records.disk import disk_errors


def write_whole(path: Path, text: str) -> None:
    """Write a text file in one step: afterwards there is the new text, or the old one.

    Raises:
        DiskError: it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    with disk_errors(path):
        with part.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
