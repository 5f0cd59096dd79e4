"""Check the disk of a study: its free space before the start, and whether it is full, read-only or not writable."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import NamedTuple

import psutil

from sweep.errors import DiskError, StudyError

RESERVE = 64 * 2**20
"""Bytes that must be free before a sweep starts, for its database, records, logs and MLflow's store."""
_WEIGHT_BYTES = 4
_COPIES_IN_TRAINING = 7
"""Copies of the weights per trial: 1 in its model file, 3 in each of 2 checkpoints (weights, two optimizer moments)."""
_PROBE_BYTES = 64 * 1024

_ADVICE = {
    errno.ENOSPC: "Free some space",
    errno.EDQUOT: "Free some space of your quota",
    errno.EROFS: "Mount it for writing",
    errno.EACCES: "Give this user the permission to write there",
    errno.EPERM: "Give this user the permission to write there",
    errno.EIO: "Check the disk (the system log has the details)",
}
_SQLITE = {
    "database or disk is full": errno.ENOSPC,
    "attempt to write a readonly database": errno.EROFS,
    "disk i/o error": errno.EIO,
}
"""SQLite's messages and the errors of the system that cause them."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

NETWORK = (
    "nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "afpfs", "webdav", "davfs", "9p", "ceph",
    "glusterfs", "lustre", "beegfs", "gpfs", "orangefs", "pvfs2", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse",
    "fuse.rclone", "fuse.glusterfs", "fuse.ceph", "fuse.davfs", "fuse.smbnetfs", "fuse.blobfuse", "fuse.mount-s3",
)  # fmt: skip
"""File systems of other machines, where SQLite's write-ahead log does not work (sqlite.org/wal.html) and locks may have
no effect."""


class Mount(NamedTuple):
    """A mounted file system: its mount point and its type."""

    point: str
    kind: str


def needed_bytes(max_parameters: int | None, keep_models: int, workers: int) -> int:
    """The number of bytes that must be free before a sweep starts.

    Args:
        max_parameters: number of weights of the largest model; None if the space sets no limit.
        keep_models: number of model files that are kept.
        workers: number of trials that train at the same time.
    """
    model = (max_parameters or 0) * _WEIGHT_BYTES
    return RESERVE + model * (keep_models + workers * _COPIES_IN_TRAINING)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError from writing below a path into a DiskError."""
    try:
        yield
    except OSError as error:
        raise disk_error(path, error) from error


def make_folder(folder: Path, needed: int) -> None:
    """Make a study's folder after checking its disk.

    Raises:
        DiskError: too little free space, or no permission to write.
        StudyError: the folder is on a network file system.
    """
    mounts = [Mount(part.mountpoint, part.fstype) for part in psutil.disk_partitions(all=True)]
    network = network_mount(folder.resolve(), mounts)
    if network is not None:
        raise StudyError(
            f"{folder} is on a network file system ({network.kind} at {network.point}), where neither SQLite's "
            "write-ahead log nor locks are reliable. Put the studies on a disk of this machine with --home DIR; the "
            "store of MLflow may be anywhere (--tracking-uri URI)"
        )
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        free = psutil.disk_usage(str(folder)).free
        if free >= needed:
            check_usable(folder)
    if free < needed:
        raise DiskError(
            f"{folder}: {free:,} bytes are free on its disk, but a sweep needs {needed:,} bytes for its files. "
            "Free some space, or put the studies elsewhere with --home DIR"
        )


def make_subfolder(study_folder: Path, folder: Path) -> None:
    """Make a folder below a study's folder, and its parents up to there, but not the study's folder itself.

    Raises:
        OSError: the study's folder was removed (FileNotFoundError), or a folder cannot be made.
    """
    parents = [place for place in folder.parents if place.is_relative_to(study_folder) and place != study_folder]
    for place in reversed(parents):
        with suppress(FileExistsError):
            place.mkdir()
    folder.mkdir(exist_ok=True)


def check_usable(folder: Path) -> None:
    """Write a temporary file; raises DiskError if that fails."""
    with disk_errors(folder), tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(bytes(_PROBE_BYTES))
        probe.flush()
        os.fsync(probe.fileno())


def disk_error(path: Path, error: OSError) -> DiskError:
    """The error for the user, with the path, the cause, the free bytes and the advice."""
    return _error(path, error.strerror or str(error), error.errno)


def _error(path: Path, cause: str, number: int | None) -> DiskError:
    advice = _ADVICE.get(number or 0, "Fix the cause")
    return DiskError(f"{path}: {cause}; {_free(path)}. {advice}, then run the same command again to resume")


def _free(path: Path) -> str:
    # Not `Path.exists`, which raises PermissionError below a folder that this user may not read.
    existing = next((place for place in (path, *path.parents) if os.path.exists(place)), Path())
    try:
        return f"{psutil.disk_usage(str(existing)).free:,} bytes are free on its disk"
    except OSError:
        return "the free space on its disk is unknown"


def database_disk_error(path: Path, cause: str) -> DiskError | None:
    """The error for a message of SQLite; None if the message is not about the disk."""
    found = next((number for words, number in _SQLITE.items() if words in cause.lower()), None)
    if found == errno.EIO and psutil.disk_usage(str(path.parent)).free < _PROBE_BYTES:
        found = errno.ENOSPC  # SQLite reports a full disk as an I/O error if it is extending its log's index
    return None if found is None else _error(path, cause, found)


def trial_disk_error(folder: Path, message: str) -> DiskError | None:
    """The disk error that made a trial fail, found in `message` or by a test write to `folder`; None for other causes.

    Args:
        folder: the study's folder.
        message: the failure with its traceback, in which HDF5 and TensorFlow quote the system's error.
    """
    for number in _FULL:
        if os.strerror(number) in message:
            return _error(folder, os.strerror(number), number)
    try:
        check_usable(folder)
    except DiskError as error:
        return error
    return None


def network_mount(path: PurePath, mounts: Iterable[Mount]) -> Mount | None:
    """The network file system that holds an absolute path without links; None if the path is on a local disk."""
    over = [mount for mount in mounts if path.is_relative_to(mount.point)]
    # Of two file systems with the same mount point, the later one hides the earlier one.
    nearest = max(enumerate(over), key=lambda item: (len(PurePath(item[1].point).parts), item[0]), default=None)
    return nearest[1] if nearest is not None and nearest[1].kind.lower() in NETWORK else None
