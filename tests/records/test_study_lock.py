from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.errors import StudyError
from sweep.records.study_lock import StudyLock

RACE = """
import sys
from pathlib import Path
from sweep.errors import StudyError
from sweep.records.study_lock import StudyLock
print("ready", flush=True)
sys.stdin.readline()
try:
    lock = StudyLock(Path(sys.argv[1]))
    print("held", flush=True)
    sys.stdin.read()
except StudyError as error:
    print(error, flush=True)
"""
HOLD = """
import sys, time
from pathlib import Path
from sweep.records.study_lock import StudyLock
lock = StudyLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_holder_is_refused_with_the_process_of_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    with StudyLock(folder), pytest.raises(StudyError) as caught:
        StudyLock(folder)
    assert re.fullmatch(
        rf"the study demo is being run by process {os.getpid()} on {socket.gethostname()}, since "
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d\. Wait for it, stop it, or start another study with --study NAME",
        str(caught.value),
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
        assert json.loads((tmp_path / "supervisor.lock").read_text())["pid"] == os.getpid()


def test_a_folder_that_cannot_be_written_is_a_study_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"missing/supervisor\.lock: No such file or directory"):
        StudyLock(tmp_path / "missing")


def test_of_eight_processes_that_want_the_lock_at_once_one_gets_it_and_the_others_name_it(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    contenders = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(8)
    ]
    for contender in contenders:
        assert contender.stdout is not None
        assert contender.stdout.readline() == "ready\n"
    for contender in contenders:
        assert contender.stdin is not None
        contender.stdin.write("go\n")
        contender.stdin.flush()
    said = {contender.pid: contender.stdout.readline() for contender in contenders if contender.stdout}
    for contender in contenders:
        contender.communicate()
    winners = [pid for pid, line in said.items() if line == "held\n"]
    assert len(winners) == 1
    assert sum(f"is being run by process {winners[0]} on " in line for line in said.values()) == 7
