"""A file that a process holds open, to detect that its folder was moved, removed or replaced in the meantime."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class HeldFile:
    """A file that a living process holds open, so that no other file can get its inode.

    The value can be sent to another process, which can then check the path too.

    Attributes:
        path: the absolute path at which the file was opened.
        device, inode: identify the file.
    """

    path: Path
    device: int
    inode: int

    @classmethod
    def of(cls, descriptor: int, path: Path) -> HeldFile:
        """Return the open file `descriptor`, which was opened at `path`."""
        found = os.fstat(descriptor)
        return cls(path.absolute(), found.st_dev, found.st_ino)

    @classmethod
    def at(cls, path: Path) -> HeldFile:
        """Return the file at `path`, which this process has open."""
        found = path.stat()
        return cls(path.absolute(), found.st_dev, found.st_ino)

    def is_in_place(self) -> bool:
        """True if the path still leads to the file; False if the file or a folder above it was moved or removed.

        Raises:
            OSError: the path cannot be checked, for example because a folder lost its permissions.
        """
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return (found.st_dev, found.st_ino) == (self.device, self.inode)
