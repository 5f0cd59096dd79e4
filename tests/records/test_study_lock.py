from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.errors import StudyError
from sweep.records.study_lock import (
    Lease,
    StudyLock,
    holder,
    is_alive,
    lease_from_text,
    lease_of_this_process,
    lease_to_text,
)

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
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(StudyError, match=f"is being run by process {first.pid} on "):
            StudyLock(tmp_path)
        first.kill()
    with StudyLock(tmp_path):
        assert json.loads((tmp_path / "supervisor.lock").read_text())["pid"] == os.getpid()


def test_a_folder_that_cannot_be_written_is_a_study_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"missing/supervisor\.lock: No such file or directory"):
        StudyLock(tmp_path / "missing")


def test_one_of_eight_processes_gets_the_lock_and_the_others_name_it(tmp_path: Path) -> None:
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


def lost(folder: Path) -> str:
    return (
        f"the study's folder {folder} (or its supervisor.lock) was moved, removed or replaced while this process held "
        "it, so nothing more is written. Put the folder back and run the same command again to resume, or use another "
        "name with --study NAME"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a study."""
    folder = tmp_path / "demo"
    folder.mkdir()
    return folder


def test_a_study_in_its_place_may_be_written(folder: Path) -> None:
    with StudyLock(folder) as lock:
        (folder / "study.db").touch()
        lock.check()


def test_a_study_that_was_moved_is_detected_and_not_made_again(folder: Path, tmp_path: Path) -> None:
    with StudyLock(folder) as lock:
        folder.rename(tmp_path / "moved")
        with pytest.raises(StudyError) as caught:
            lock.check()
    assert str(caught.value) == lost(folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["moved", "supervisor.lock"]
    assert holder(tmp_path / "moved") is None


def test_a_study_that_was_moved_and_put_back_may_be_written(folder: Path, tmp_path: Path) -> None:
    with StudyLock(folder) as lock:
        folder.rename(tmp_path / "moved")
        (tmp_path / "moved").rename(folder)
        lock.check()


def test_a_study_that_was_removed_is_detected_and_not_made_again(folder: Path, tmp_path: Path) -> None:
    with StudyLock(folder) as lock:
        shutil.rmtree(folder)
        with pytest.raises(StudyError) as caught:
            lock.check()
    assert str(caught.value) == lost(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_removed_lock_file_is_detected_because_another_process_could_lock_a_new_one(folder: Path) -> None:
    with StudyLock(folder) as lock:
        (folder / "supervisor.lock").unlink()
        with pytest.raises(StudyError, match=r"\(or its supervisor\.lock\) was moved, removed or replaced"):
            lock.check()


@pytest.mark.parametrize("disturb", [shutil.rmtree, lambda folder: folder.rename(folder.with_name("moved"))])
def test_a_study_that_another_process_made_again_and_locked_is_left_to_that_process(
    folder: Path, disturb: Callable[[Path], object]
) -> None:
    lock = StudyLock(folder)
    disturb(folder)
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True) as second:
        assert second.stdout is not None
        assert second.stdout.readline() == "held\n"
        with lock, pytest.raises(StudyError) as caught:
            lock.check()
        assert str(holder(folder)).startswith(f"process {second.pid} on ")
        second.kill()
    assert str(caught.value) == lost(folder)


def test_a_folder_that_is_moved_before_its_lock_is_taken_is_not_taken(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock

    def move_and_lock(stream: BinaryIO, operation: int) -> None:
        folder.rename(tmp_path / "moved")
        folder.mkdir()
        real(stream, operation)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", move_and_lock)
        with pytest.raises(StudyError) as caught:
            StudyLock(folder)
    assert str(caught.value) == lost(folder)
    assert (tmp_path / "moved" / "supervisor.lock").read_text() == ""
    with StudyLock(tmp_path / "moved"), StudyLock(folder):  # both are free
        pass


LEASE = Lease("box", "boot-1", 4242, 1764000000.25, "2026-01-02 03:04:05+00:00")


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """Another living process."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def lease_of(process: subprocess.Popen[bytes]) -> Lease:
    return replace(lease_of_this_process(), pid=process.pid, started=psutil.Process(process.pid).create_time())


def written(folder: Path, lease: Lease) -> Path:
    (folder / "supervisor.lock").write_text(lease_to_text(lease))
    return folder


def test_a_lease_is_one_line_of_json_and_reads_back() -> None:
    assert lease_to_text(LEASE) == (
        '{"host": "box", "boot": "boot-1", "pid": 4242, "started": 1764000000.25, '
        '"since": "2026-01-02 03:04:05+00:00"}\n'
    )
    assert lease_from_text(lease_to_text(LEASE)) == LEASE
    assert str(LEASE) == "process 4242 on box, since 2026-01-02 03:04:05+00:00"


def test_a_lease_cut_off_anywhere_is_none() -> None:
    text = lease_to_text(LEASE).strip()
    assert [lease_from_text(text[:length]) for length in range(len(text))] == [None] * len(text)


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_other_text_is_not_a_lease(text: str) -> None:
    assert lease_from_text(text) is None


def test_this_process_is_alive_by_its_own_lease() -> None:
    assert lease_of_this_process().pid == os.getpid()
    assert is_alive(lease_of_this_process(), lease_of_this_process())


def test_a_process_that_has_ended_is_not_alive(other: subprocess.Popen[bytes]) -> None:
    lease = lease_of(other)
    assert is_alive(lease, lease_of_this_process())
    other.kill()
    other.wait()
    assert not is_alive(lease, lease_of_this_process())


def test_a_process_with_the_same_id_and_another_start_is_not_alive() -> None:
    assert not is_alive(
        replace(lease_of_this_process(), started=lease_of_this_process().started - 100), lease_of_this_process()
    )


def test_after_a_reboot_no_process_is_alive() -> None:
    here = lease_of_this_process()
    assert not is_alive(here, replace(here, boot="another boot"))


def test_a_process_on_another_machine_counts_as_alive() -> None:
    assert is_alive(LEASE, replace(LEASE, host="other-box", boot="boot-2"))


def test_an_impossible_process_id_is_not_alive() -> None:
    assert not is_alive(replace(lease_of_this_process(), pid=-5), lease_of_this_process())
    assert not is_alive(replace(lease_of_this_process(), pid=2**40), lease_of_this_process())


def test_the_holder_is_named_while_it_lives(tmp_path: Path, other: subprocess.Popen[bytes]) -> None:
    lease = lease_of(other)
    assert holder(written(tmp_path, lease)) == f"process {other.pid} on {lease.host}, since {lease.since}"
    assert holder(written(tmp_path, replace(lease, started=lease.started - 60))) is None
    assert holder(written(tmp_path, replace(lease, boot="before"))) is None
    assert holder(written(tmp_path, LEASE)) == str(LEASE)  # on another machine, which cannot be checked
    other.kill()
    other.wait()
    assert holder(written(tmp_path, lease)) is None


def test_a_lock_file_with_other_content_has_no_holder(tmp_path: Path) -> None:
    for content in (b"", b"\xff\xfe", b"process 1 on box\n", b"[" * 100_000, b"{}"):
        (tmp_path / "supervisor.lock").write_bytes(content)
        assert holder(tmp_path) is None


def test_finding_the_holder_does_not_touch_the_lock(tmp_path: Path) -> None:
    with StudyLock(tmp_path):
        assert json.loads((tmp_path / "supervisor.lock").read_text())["boot"] == lease_of_this_process().boot
        assert str(holder(tmp_path)).startswith(f"process {os.getpid()} on ")
    assert holder(tmp_path) is None
