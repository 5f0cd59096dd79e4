"""One supervisor at a time: a lock that the kernel gives back when its holder dies, with the holder's lease in it."""

from __future__ import annotations

import fcntl
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from sweep.errors import StudyError
from sweep.records.disk import disk_error
from sweep.records.process_lease import (
    Lease,
    is_alive,
    lease_from_text,
    lease_of_this_process,
    lease_to_text,
    this_machine,
)

LOCK_FILE = "supervisor.lock"
_WRITING_SECONDS = 1.0
"""How long a holder may take from having the lock to having written its lease."""


class StudyLock:
    """Held while a study is written to.

    Raises:
        StudyError: another process holds it; the message has its pid, its machine and since when.
        DiskError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._stream = _open(folder)
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._stream.close()
            raise StudyError(
                f"the study {folder.name} is being run by {_name_of_holder(folder)}. Wait for it, stop it, or start "
                "another study with --study NAME"
            ) from None
        try:
            self._stream.truncate(0)
            self._stream.write(lease_to_text(lease_of_this_process()))
            self._stream.flush()
        except OSError as error:
            raise disk_error(folder, error) from error

    def release(self) -> None:
        """Let others in. The file stays: removing it would let two processes lock two files of one name."""
        self._stream.truncate(0)
        self._stream.close()

    def __enter__(self) -> StudyLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _open(folder: Path) -> IO[str]:
    try:
        return (folder / LOCK_FILE).open("a+", encoding="utf-8")
    except OSError as error:
        raise disk_error(folder / LOCK_FILE, error) from error


def _name_of_holder(folder: Path) -> str:
    """It may have the lock and not yet have written its name."""
    end = time.monotonic() + _WRITING_SECONDS
    while (lease := _read(folder)) is None and time.monotonic() < end:
        time.sleep(0.01)
    return str(lease or "another process")


def holder(folder: Path) -> str | None:
    """The process that runs a study, as it wrote itself into the lock file; None where there is none any more.

    The lock itself is not touched: a look at it must not be in the way of a supervisor that starts.
    """
    lease = _read(folder)
    return str(lease) if lease is not None and is_alive(lease, this_machine()) else None


def _read(folder: Path) -> Lease | None:
    try:
        return lease_from_text((folder / LOCK_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
