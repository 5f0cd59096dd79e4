from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.records.process_lease import (
    Lease,
    Machine,
    is_alive,
    lease_from_text,
    lease_of_this_process,
    lease_to_text,
    this_machine,
)
from sweep.records.study_lock import StudyLock, holder

LEASE = Lease("box", "boot-1", 4242, 1764000000.25, "2026-01-02 03:04:05+00:00")


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """Another process that lives."""
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
def test_whatever_stands_in_the_file_is_a_lease_or_none(text: str) -> None:
    assert lease_from_text(text) is None


def test_this_process_is_alive_by_its_own_lease() -> None:
    assert lease_of_this_process().pid == os.getpid()
    assert is_alive(lease_of_this_process(), this_machine())


def test_a_process_that_has_ended_is_not_alive(other: subprocess.Popen[bytes]) -> None:
    lease = lease_of(other)
    assert is_alive(lease, this_machine())
    other.kill()
    other.wait()
    assert not is_alive(lease, this_machine())


def test_a_process_that_has_the_number_of_another_is_not_taken_for_it() -> None:
    assert not is_alive(replace(lease_of_this_process(), started=lease_of_this_process().started - 100), this_machine())


def test_after_a_restart_of_the_machine_nobody_is_alive() -> None:
    machine = this_machine()
    assert not is_alive(lease_of_this_process(), Machine(machine.host, "another boot"))


def test_a_process_of_another_machine_is_taken_for_alive() -> None:
    assert is_alive(LEASE, Machine("other-box", "boot-2"))


def test_a_number_that_no_process_can_have_is_not_alive() -> None:
    assert not is_alive(replace(lease_of_this_process(), pid=-5), this_machine())
    assert not is_alive(replace(lease_of_this_process(), pid=2**40), this_machine())


def test_the_holder_is_named_with_its_process_while_it_lives(tmp_path: Path, other: subprocess.Popen[bytes]) -> None:
    lease = lease_of(other)
    assert holder(written(tmp_path, lease)) == f"process {other.pid} on {lease.host}, since {lease.since}"
    assert holder(written(tmp_path, replace(lease, started=lease.started - 60))) is None
    assert holder(written(tmp_path, replace(lease, boot="before"))) is None
    assert holder(written(tmp_path, LEASE)) == str(LEASE)  # of a machine that cannot be asked
    other.kill()
    other.wait()
    assert holder(written(tmp_path, lease)) is None


def test_a_lock_file_that_holds_nonsense_has_no_holder(tmp_path: Path) -> None:
    for content in (b"", b"\xff\xfe", b"process 1 on box\n", b"[" * 100_000, b"{}"):
        (tmp_path / "supervisor.lock").write_bytes(content)
        assert holder(tmp_path) is None


def test_looking_for_the_holder_does_not_touch_the_lock(tmp_path: Path) -> None:
    with StudyLock(tmp_path):
        assert json.loads((tmp_path / "supervisor.lock").read_text())["boot"] == this_machine().boot
        assert str(holder(tmp_path)).startswith(f"process {os.getpid()} on ")
    assert holder(tmp_path) is None
