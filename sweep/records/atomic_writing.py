"""Write files atomically: a reader, or the next start after a crash, finds the old content or the new, never a part."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweep.records.disk import disk_errors


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; when the block ends without an error, move what it wrote there to `path`.

    The temporary name keeps the suffix, because Keras and NumPy insist on it: `model.part.keras`. The block may write a
    file or a folder. After an error, such as an OSError for a full disk, nothing is left of it; `path` is unchanged.
    """
    part = path.with_name(f"{path.stem}.part{path.suffix}")
    remove(part)  # left by a process that was killed
    try:
        yield part
        move_into_place(part, path)
    finally:
        remove(part)


def write_atomically(path: Path, text: str) -> None:
    """Write a text file atomically; raises DiskError if that fails."""
    with disk_errors(path), atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")


def move_into_place(source: Path, target: Path) -> None:
    """Rename a complete file or folder such that a power cut can neither undo the rename nor empty the target."""
    sync_tree(source)
    source.replace(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Wait until the content of a file, or the list of names in a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(path: Path) -> None:
    """Wait until a file, or a folder with all its content, is on the disk."""
    for item in (path, *path.rglob("*")):
        sync(item)


def remove(path: Path) -> None:
    """Remove a file, or a folder with its content, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
