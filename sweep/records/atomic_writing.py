"""Write files atomically: even after a crash, a reader finds either the old content or the new one, never a mixture."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweep.records.disk import disk_errors


@contextmanager
def atomic_write(path: Path, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path next to `path`; if the block ends without an error, rename the temporary file to `path`.

    The temporary name (`model.part.keras`) keeps the suffix, because Keras and NumPy require it. The block may write a
    file or a folder with this name. After an error, such as a full disk, the leftover is removed; `path` is unchanged.

    Args:
        path: the file or folder to write.
        durable: wait until the content is on the disk. If False, a power cut may leave a damaged file.
    """
    part = path.with_name(f"{path.stem}.part{path.suffix}")
    remove(part)  # a killed process may have left it
    try:
        yield part
        if durable:
            move_into_place(part, path)
        else:
            part.replace(path)
    finally:
        remove(part)


def write_atomically(path: Path, text: str) -> None:
    """Write a text file atomically; raises DiskError if that fails."""
    with disk_errors(path), atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")


def move_into_place(source: Path, target: Path) -> None:
    """Rename a complete file or folder, and sync it so that its content and its new name survive a power cut."""
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
    """Remove a file, or a folder with its content; do nothing if `path` does not exist."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
