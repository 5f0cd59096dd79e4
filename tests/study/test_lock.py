from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.errors import StudyError
from sweep.study.lock import StudyLock

HOLD = """
import sys, time
from pathlib import Path
from sweep.study.lock import StudyLock
lock = StudyLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_holder_is_refused_with_the_process_of_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    with StudyLock(folder), pytest.raises(StudyError) as caught:
        StudyLock(folder)
    assert str(caught.value) == (
        f"the study demo is being run by process {os.getpid()} on {socket.gethostname()}. "
        "Wait for it, stop it, or start another study with --study NAME"
    )


def test_a_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    with StudyLock(tmp_path):
        pass
    with StudyLock(tmp_path):
        pass
    assert (tmp_path / "supervisor.lock").read_text() == ""


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StudyError, match=f"is being run by process {holder.pid} on "):
            StudyLock(tmp_path)
        holder.kill()
    with StudyLock(tmp_path):
        assert (tmp_path / "supervisor.lock").read_text().startswith(f"process {os.getpid()} on ")


def test_a_folder_that_cannot_be_written_is_a_study_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="cannot be written: No such file or directory"):
        StudyLock(tmp_path / "missing")
