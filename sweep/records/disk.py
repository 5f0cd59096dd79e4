"""The disk under a study: room before the start, and one clear error when it is full, read-only or no longer ours."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import NamedTuple

import psutil

from sweep.errors import DiskError, StudyError

RESERVE = 64 * 2**20
"""Bytes that must be free before a sweep begins: its database, records, logs and MLflow's store."""
_WEIGHT_BYTES = 4
_COPIES_IN_TRAINING = 7
"""A model that is being trained: its file, and two checkpoints with the optimizer's two moments beside the weights."""
_PROBE_BYTES = 64 * 1024

_ADVICE = {
    errno.ENOSPC: "Free some space",
    errno.EDQUOT: "Free some space of your quota",
    errno.EROFS: "Mount it for writing",
    errno.EACCES: "Give this user the right to write there",
    errno.EPERM: "Give this user the right to write there",
    errno.EIO: "See to the disk, whose errors the system's log tells",
}
_SQLITE = {
    "database or disk is full": errno.ENOSPC,
    "attempt to write a readonly database": errno.EROFS,
    "disk i/o error": errno.EIO,
}
"""SQLite's words for the same."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

NETWORK = (
    "nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "afpfs", "webdav", "davfs", "9p", "ceph",
    "glusterfs", "lustre", "beegfs", "gpfs", "orangefs", "pvfs2", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse",
    "fuse.rclone", "fuse.glusterfs", "fuse.ceph", "fuse.davfs", "fuse.smbnetfs", "fuse.blobfuse", "fuse.mount-s3",
)  # fmt: skip
"""File systems of other machines, where SQLite's write-ahead log does not work (sqlite.org/wal.html) and locks may not
exclude anybody."""


class Mount(NamedTuple):
    """A mounted file system: where, and of which type."""

    point: str
    kind: str


def needed_bytes(max_parameters: int | None, keep_models: int, workers: int) -> int:
    """What must be free before a sweep begins.

    Args:
        max_parameters: of the largest model; None where the space sets no limit.
        keep_models: model files that stay.
        workers: trials at a time.
    """
    model = (max_parameters or 0) * _WEIGHT_BYTES
    return RESERVE + model * (keep_models + workers * _COPIES_IN_TRAINING)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Around what is written below a path.

    Raises:
        DiskError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise disk_error(path, error) from error


def make_folder(folder: Path, needed: int) -> None:
    """Make a study's folder, once it is clear that a sweep can work there.

    Raises:
        DiskError: too little room, or no right to write.
        StudyError: a network file system.
    """
    _refuse_network(folder)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        free = psutil.disk_usage(str(folder)).free
        if free >= needed:
            check_usable(folder)
    if free < needed:
        raise DiskError(
            f"{folder}: {free:,} bytes are free on its disk, and {needed:,} are needed for what a sweep writes. "
            "Free some space, or put the studies elsewhere with --home DIR"
        )


def check_usable(folder: Path) -> None:
    """Write a little and take it away.

    Raises:
        DiskError: it cannot be written.
    """
    with disk_errors(folder), tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(bytes(_PROBE_BYTES))
        probe.flush()
        os.fsync(probe.fileno())


def disk_error(path: Path, error: OSError) -> DiskError:
    """The error for the user: path, cause, bytes that are free, what to do."""
    return _error(path, error.strerror or str(error), error.errno)


def _error(path: Path, cause: str, number: int | None) -> DiskError:
    advice = _ADVICE.get(number or 0, "Mend that")
    return DiskError(f"{path}: {cause}; {_free(path)}. {advice}, then the same command goes on where it stopped")


def _free(path: Path) -> str:
    existing = next((place for place in (path, *path.parents) if place.exists()), Path())
    try:
        return f"{psutil.disk_usage(str(existing)).free:,} bytes are free on its disk"
    except OSError:
        return "how much is free on its disk cannot be told"


def database_disk_error(path: Path, cause: str) -> DiskError | None:
    """The same for what SQLite says; None where that is not about the disk."""
    found = next((number for words, number in _SQLITE.items() if words in cause.lower()), None)
    if found == errno.EIO and psutil.disk_usage(str(path.parent)).free < _PROBE_BYTES:
        found = errno.ENOSPC  # so it calls a page of the log's index that could not be made
    return None if found is None else _error(path, cause, found)


def trial_disk_error(folder: Path, message: str) -> DiskError | None:
    """Whether it was the disk that made a trial fail: its message says so, or nothing can be written in its folder.

    Args:
        folder: of the study.
        message: of the failure, with the traceback: HDF5 and TensorFlow wrap the system's error in ones of their own.
    """
    for number in _FULL:
        if os.strerror(number) in message:
            return _error(folder, os.strerror(number), number)
    try:
        check_usable(folder)
    except DiskError as error:
        return error
    return None


def _refuse_network(folder: Path) -> None:
    mounts = [Mount(part.mountpoint, part.fstype) for part in psutil.disk_partitions(all=True)]
    found = network_mount(folder.resolve(), mounts)
    if found is not None:
        raise StudyError(
            f"{folder} is on a network file system ({found.kind} at {found.point}), where neither SQLite's write-ahead "
            "log nor locks can be relied on. Put the studies on a disk of this machine with --home DIR; MLflow may be "
            "anywhere (--tracking-uri URI)"
        )


def network_mount(path: PurePath, mounts: Iterable[Mount]) -> Mount | None:
    """The network file system that an absolute path without links is on; None where it is on a disk of this machine."""
    over = [mount for mount in mounts if path.is_relative_to(mount.point)]
    # Of two file systems mounted at one place the later hides the earlier.
    nearest = max(enumerate(over), key=lambda item: (len(PurePath(item[1].point).parts), item[0]), default=None)
    return nearest[1] if nearest is not None and nearest[1].kind.lower() in NETWORK else None
