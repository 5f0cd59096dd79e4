"""Who a process is, so that nobody mistakes another one for it: not after a reboot, not when its number is reused."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SAME_START = 1.0
"""Seconds: the kernel counts a process's start in hundredths since boot, and the clock may be set meanwhile."""


@checked_dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class Lease:
    """A process that holds something.

    Attributes:
        host: name of its machine.
        boot: identifies the time between two starts of that machine.
        pid: number of the process on it.
        started: when the process was, seconds since 1970.
        since: when the lease was taken, ISO 8601.
    """

    host: str
    boot: str
    pid: int
    started: float
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


@dataclass(frozen=True)
class Machine:
    """This machine, as far as a lease can be held against it."""

    host: str
    boot: str


_LEASE = TypeAdapter(Lease)


def this_machine() -> Machine:
    """The machine that this process runs on."""
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:  # not Linux
        boot = f"booted {psutil.boot_time():.0f}"
    return Machine(socket.gethostname(), boot)


def lease_of_this_process() -> Lease:
    """A lease of this very process, from now on."""
    machine = this_machine()
    since = datetime.now(UTC).astimezone().isoformat(sep=" ", timespec="seconds")
    return Lease(machine.host, machine.boot, os.getpid(), psutil.Process().create_time(), since)


def lease_to_text(lease: Lease) -> str:
    """One line of JSON."""
    return json.dumps(asdict(lease)) + "\n"


def lease_from_text(text: str) -> Lease | None:
    """The lease; None where the text is none, as when it is being written."""
    try:
        return _LEASE.validate_json(text)
    except ValidationError:
        return None


def is_alive(lease: Lease, machine: Machine) -> bool:
    """Whether the process lives. One of another machine cannot be asked, and is taken for alive."""
    if lease.host != machine.host:
        return True
    if lease.boot != machine.boot:
        return False
    try:
        return bool(abs(psutil.Process(lease.pid).create_time() - lease.started) < _SAME_START)
    except (psutil.Error, ValueError):  # ValueError: a number that no process can have
        return False
