"""The lock that allows one supervisor per study. If the process that holds it dies, the kernel releases it.

The lock's file contains a lease, which identifies the holder even after a reboot or a reuse of its process id.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import psutil
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from sweep.errors import StudyError
from sweep.records.disk import disk_errors
from sweep.records.held_file import HeldFile

LOCK_FILE = "supervisor.lock"
_WRITING_SECONDS = 1.0
"""Maximum time between taking the lock and writing the lease."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SAME_START = 1.0
"""Start times that differ by less than this (in s) are of one process; rounding or a clock adjustment shifts them."""


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class Lease:
    """The process that holds a lock.

    Attributes:
        host: name of the machine.
        boot: identifier of the machine's boot during which the process started.
        pid: process id.
        started: start time of the process in seconds since 1970.
        since: when the process took the lock, ISO 8601.
    """

    host: str
    boot: str
    pid: int
    started: float
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


_LEASE = TypeAdapter(Lease)


def lease_of_this_process() -> Lease:
    """Return a lease of the calling process, with the current time as `since`."""
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:  # not Linux
        boot = f"booted {psutil.boot_time():.0f}"
    since = datetime.now(UTC).astimezone().isoformat(sep=" ", timespec="seconds")
    return Lease(socket.gethostname(), boot, os.getpid(), psutil.Process().create_time(), since)


def lease_to_text(lease: Lease) -> str:
    """Return the lease as one line of JSON."""
    return json.dumps(asdict(lease)) + "\n"


def lease_from_text(text: str | bytes) -> Lease | None:
    """Parse a lease; None if the text is not a lease, for example because it is just being written."""
    try:
        return _LEASE.validate_json(text)
    except ValidationError:
        return None


def is_alive(lease: Lease, here: Lease) -> bool:
    """True if the process is alive, or if it is on another machine, where this cannot be checked.

    Args:
        lease: the lease of the process.
        here: a lease of the calling process.
    """
    if lease.host != here.host:
        return True
    if lease.boot != here.boot:
        return False
    try:
        return bool(abs(psutil.Process(lease.pid).create_time() - lease.started) < _SAME_START)
    except (psutil.Error, ValueError):  # ValueError: an impossible process id
        return False


class StudyLock(AbstractContextManager["StudyLock"]):
    """The lock of a study; a process holds it while it writes to the study, and calls `check` before each write.

    Attributes:
        file: the lock's file.

    Raises:
        StudyError: another process holds the lock (the message names the process, its machine and the time), or the
            folder was moved, removed or replaced in this moment.
        DiskError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        with disk_errors(folder / LOCK_FILE):
            self._stream: BinaryIO = (folder / LOCK_FILE).open("ab", buffering=0)
        try:
            self.file = HeldFile.of(self._stream.fileno(), folder / LOCK_FILE)
            self._take(folder)
        except BaseException:
            self._stream.close()
            raise

    def _take(self, folder: Path) -> None:
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StudyError(
                f"the study {folder.name} is being run by {_name_of_holder(folder)}. Wait for it, stop it, or start "
                "another study with --study NAME"
            ) from None
        self.check()  # between opening and locking the file, another process may have replaced the folder
        with disk_errors(folder):
            self._stream.truncate(0)
            self._stream.write(lease_to_text(lease_of_this_process()).encode())

    def check(self) -> None:
        """Check that the study's folder is still the one that this process locked; see `check_lock`."""
        check_lock(self.file)

    def __exit__(self, *_exception: object) -> None:
        # The file stays: if it were removed, two processes could lock two files with the same name. It is written
        # through the open stream, so another folder at the same path stays unchanged. A lease that a full disk keeps in
        # the file does no harm, because it names this process, which ends.
        with suppress(OSError):
            self._stream.truncate(0)
        self._stream.close()


def check_lock(file: HeldFile) -> None:
    """Check that a study's folder is still the one that a process locked. This costs one call of `stat`.

    A process calls this before each write to the folder. Otherwise it would create a moved study again in part, or
    write to another study at the same path.

    Args:
        file: the lock's file, which this process or its supervisor holds.

    Raises:
        StudyError: the folder or its lock file was moved, removed or replaced.
        DiskError: the folder cannot be read.
    """
    with disk_errors(file.path):
        is_in_place = file.is_in_place()
    if not is_in_place:
        raise StudyError(
            f"the study's folder {file.path.parent} (or its {LOCK_FILE}) was moved, removed or replaced while this "
            "process held it, so nothing more is written. Put the folder back and run the same command again to "
            "resume, or use another name with --study NAME"
        )


def _name_of_holder(folder: Path) -> str:
    """The holder's lease as text; waits if the holder has the lock but has not written its lease yet."""
    end = time.monotonic() + _WRITING_SECONDS
    while (lease := _read(folder)) is None and time.monotonic() < end:
        time.sleep(0.01)
    return str(lease or "another process")


def holder(folder: Path) -> str | None:
    """The living process that runs a study, according to the lock file; None if no process runs it.

    Does not take the lock, so it cannot block a supervisor that starts at the same time.
    """
    lease = _read(folder)
    return str(lease) if lease is not None and is_alive(lease, lease_of_this_process()) else None


def _read(folder: Path) -> Lease | None:
    try:
        return lease_from_text((folder / LOCK_FILE).read_bytes())
    except OSError:
        return None
