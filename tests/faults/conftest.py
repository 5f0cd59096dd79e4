"""Real faults: a disk of a few megabytes, missing permissions."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.execution.conftest import light_fork_server

__all__ = ["light_fork_server"]
_UNPRIVILEGED = 65534


@pytest.fixture
def make_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Creates small disks in memory; skips the test if this user may not mount them."""
    places: list[Path] = []

    def make(options: str) -> Path:
        place = tmp_path / f"disk{len(places)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "sweep-test", str(place)]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip("there is no command `mount`")
        if done.returncode:
            pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
        places.append(place)
        return place

    yield make
    for place in places:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def plain_user() -> Iterator[Path]:
    """A user to whom permissions apply: root becomes another user. Yields a folder in which that user may write."""
    folder = Path(tempfile.mkdtemp(prefix="sweep-test-"))
    folder.chmod(0o777)
    user = os.geteuid()
    if user == 0:
        os.seteuid(_UNPRIVILEGED)
    try:
        yield folder
    finally:
        os.seteuid(user)
        shutil.rmtree(folder)


def fill(disk: Path, leave: int = 0) -> Path:
    """Fill the disk except for `leave` bytes; removing the returned file frees them again."""
    ballast = disk / "ballast"
    free = shutil.disk_usage(disk).free
    with ballast.open("wb") as stream:
        stream.write(bytes(free - leave))
    return ballast
