"""Files in a directory that a run does not read: other files, hidden files, links."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from sweep.data.folder import Listing

Kind = Literal["hidden", "image", "other"]
"""The kind of a file that is not read. `image`: Pillow can open it, but a run ignores its suffix or its folder."""


@dataclass(frozen=True)
class Link:
    """A symbolic link.

    Attributes:
        path: relative to the root.
        target: the resolved path.
        leaves: True if the target is outside the root.
        exists: True if the target exists.
        followed: True if a run reads the target.
    """

    path: str
    target: str
    leaves: bool
    exists: bool
    followed: bool


@dataclass(frozen=True)
class Survey:
    """Files that are not read, by path relative to the root, and all symbolic links."""

    ignored: tuple[tuple[str, Kind], ...]
    links: tuple[Link, ...]


def survey(listing: Listing) -> Survey:
    """Walk through the root like `list_folder` and collect what it skips. Links in class folders are not followed."""
    read = {file.path for file in listing.files}
    followed = _followed(listing)
    ignored: list[tuple[str, Kind]] = []
    links: list[Link] = []
    for path, entry in sorted(_walk(listing.root, "", followed)):
        full = listing.root / path
        if os.path.islink(full):
            target = Path(os.path.realpath(full))
            leaves = not target.is_relative_to(os.path.realpath(listing.root))
            links.append(Link(path, str(target), leaves, os.path.exists(full), path in read or path in followed))
        if entry == "file" and path not in read and os.path.exists(full):
            ignored.append((path, _kind(full, path)))
    return Survey(tuple(ignored), tuple(links))


def _followed(listing: Listing) -> frozenset[str]:
    """The folders that are read even if they are links: `train`, `test` and the class folders."""
    if not listing.parted:
        return frozenset(listing.classes)
    parts = ("train", "test") if listing.test is not None else ("train",)
    return frozenset([*parts, *(f"{part}/{name}" for part in parts for name in listing.classes)])


def _walk(root: Path, folder: str, followed: frozenset[str]) -> Iterator[tuple[str, str]]:
    with os.scandir(root / folder) as entries:
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=path in followed):
                if entry.is_symlink():
                    yield path, "folder"
                yield from _walk(root, path, followed)
            else:
                yield path, "folder" if entry.is_dir() else "file"


def _kind(full: Path, path: str) -> Kind:
    if any(part.startswith(".") for part in path.split("/")):
        return "hidden"
    try:
        with Image.open(full):
            return "image"
    except Exception:  # Pillow raises many types for a file that is not an image
        return "other"
