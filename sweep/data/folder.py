"""List the image files of a directory of class folders, without opening them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sweep.errors import DataError

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
VALIDATION_NAMES = ("val", "valid", "validation")


class ImageFile(NamedTuple):
    """One image file: path relative to the root with `/`, size in bytes, time of last change, position of its class."""

    path: str
    size: int
    mtime_ns: int
    label: int


@dataclass(frozen=True)
class Listing:
    """The image files of a directory of class folders. `test` is None without a `test/` folder.

    `parted` is True if the class folders are below `train/` (and `test/`) instead of directly below the root.
    """

    root: Path
    classes: tuple[str, ...]
    train: tuple[ImageFile, ...]
    test: tuple[ImageFile, ...] | None
    parted: bool

    @property
    def files(self) -> tuple[ImageFile, ...]:
        """The files of the training set, then those of the test set."""
        return (*self.train, *(self.test or ()))

    def below_class(self, file: ImageFile) -> str:
        """Return the file's path below its class folder."""
        return file.path.split("/", 2 if self.parted else 1)[-1]


def list_folder(root: Path) -> Listing:
    """List `root/<class>/<image>`, or `root/train/<class>/<image>` and `root/test/<class>/<image>`.

    The files are sorted by class, then by path; hidden files and files without an image suffix are skipped. Files in
    subfolders of a class folder belong to the class; links to folders inside a class folder are skipped. Raises
    DataError for another layout.
    """
    names = _subfolders(root)
    if _holds_classes(root, "train", names):
        return _list_parts(root, names)
    if _holds_classes(root, "test", names):
        raise _refusal(root, "holds `test/` but no `train/`", "name the folders `train/` and `test/`")
    if not names:
        raise _refusal(root, "holds no class folders", f"expected {root}/<class>/<image>, one folder per class")
    return Listing(root, names, _images(root, "", names), None, parted=False)


def fingerprint(listing: Listing) -> str:
    """SHA-256 over the path of the root and every image's path, size and time of last change.

    The root distinguishes two data sets whose files have equal names and sizes: the times may be equal as well, because
    unpacking may give all files the same time.
    """
    digest = hashlib.sha256(os.fsencode(listing.root.resolve()))
    digest.update("\0".join(("", *listing.classes, "")).encode("utf-8", "surrogateescape"))
    lines = (f"{f.path}\0{f.size}\0{f.mtime_ns}\n" for f in listing.files)
    digest.update("".join(lines).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _holds_classes(root: Path, part: str, names: Sequence[str]) -> bool:
    """True if the folder `part` has subfolders; otherwise it is itself a class (CIFAR-100 has a class `train`)."""
    return part in names and bool(_subfolders(root / part))


def _list_parts(root: Path, names: Sequence[str]) -> Listing:
    for name in VALIDATION_NAMES:
        if name in names:
            advice = "name it `test/`, or move its images into `train/`: the validation images are split from there"
            raise _refusal(root, f"holds `{name}/` next to `train/`, but `{name}/` is not read", advice)
    classes = _subfolders(root / "train")
    train = _images(root, "train/", classes)
    if "test" not in names:
        return Listing(root, classes, train, None, parted=True)
    for name in _subfolders(root / "test"):
        if name not in classes:
            what = f"holds the class `test/{name}/` but no `train/{name}/`"
            raise _refusal(root, what, "use the same class names in both")
    test = _images(root, "test/", classes)
    if not test:
        raise _refusal(root, "holds no images in `test/`", "remove `test/`; then a share of `train/` is the test set")
    return Listing(root, classes, train, test, parted=True)


def _refusal(root: Path, what: str, advice: str) -> DataError:
    return DataError(f"data `{root}`: the directory {what}; {advice}.")


def _subfolders(folder: Path) -> tuple[str, ...]:
    with os.scandir(folder) as entries:
        return tuple(sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")))


def _images(root: Path, part: str, classes: tuple[str, ...]) -> tuple[ImageFile, ...]:
    found: list[ImageFile] = []
    for label, name in enumerate(classes):
        if (root / part / name).is_dir():
            found.extend(sorted(_walk(root, f"{part}{name}", label)))
    return tuple(found)


def _walk(root: Path, folder: str, label: int) -> Iterator[ImageFile]:
    with os.scandir(root / folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = f"{folder}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(root, path, label)
            elif entry.name.lower().endswith(ENDINGS):
                try:
                    stat = entry.stat()
                    yield ImageFile(path, stat.st_size, stat.st_mtime_ns, label)
                except OSError:  # a broken link: decoding will report it
                    yield ImageFile(path, -1, 0, label)
