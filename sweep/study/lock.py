"""One supervisor at a time: a lock that the kernel gives back when its holder dies."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import IO

from sweep.errors import StudyError

LOCK_FILE = "supervisor.lock"


class StudyLock:
    """Held while a study is written to.

    Raises:
        StudyError: another process holds it (the message has its host and pid), or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._stream: IO[str] = (folder / LOCK_FILE).open("a+", encoding="utf-8")
        except OSError as error:
            raise StudyError(f"the study's folder {folder} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._stream.seek(0)
            holder = self._stream.read().strip() or "another process"
            self._stream.close()
            raise StudyError(
                f"the study {folder.name} is being run by {holder}. Wait for it, stop it, or start another study "
                "with --study NAME"
            ) from None
        self._stream.truncate(0)
        self._stream.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        self._stream.flush()

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


def holder(folder: Path) -> str | None:
    """The process that runs a study, as it wrote itself into the lock file; None where there is none.

    The lock itself is not touched: a look at it must not be in the way of a supervisor that starts.
    """
    try:
        told = (folder / LOCK_FILE).read_text(encoding="utf-8").strip()
    except OSError:
        return None
    words = told.split()
    if len(words) == 4 and words[1].isdecimal() and words[3] == socket.gethostname() and not _alive(int(words[1])):
        return None  # it was killed, so it could not take its name away
    return told or None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
