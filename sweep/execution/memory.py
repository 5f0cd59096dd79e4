"""How much memory trials take, and whether it was the kernel that killed one for it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil

_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_CGROUPS = Path("/proc/self/cgroup")
_MACHINE = Path("/proc/vmstat")
_PREFERRED = "500"
"""Added to a trial's badness for the kernel's out-of-memory killer (0 to 1000): a trial goes before its supervisor."""


def parse_size(text: str) -> int:
    """Bytes of `512M` or `1.5G`, in powers of 1024."""
    return int(float(text[:-1]) * _UNITS[text[-1]])


def show_size(size: int) -> str:
    """`1.5 GiB`."""
    return f"{size / 2**30:.2f} GiB"


def resident(pid: int) -> int:
    """Bytes of a process that are in memory, those shared with the fork server included; 0 when it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def prefer_to_be_killed(pid: int) -> None:
    """Let the kernel take this process first when memory runs out."""
    # Where there is no such file, or the process has ended: it is a wish, and nothing depends on it.
    with suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text(_PREFERRED)


def kernel_kills() -> int:
    """How many processes the kernel has killed for lack of memory: in this control group, else on this machine."""
    for path in [*_counters(_read(_CGROUPS)), _MACHINE]:
        kills = kills_in(_read(path))
        if kills is not None:
            return kills
    return 0


def _counters(cgroups: str) -> list[Path]:
    """Where a process's control groups count, from the text of /proc/self/cgroup: version 2, then version 1."""
    found: list[Path] = []
    for line in cgroups.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            found.insert(0, Path("/sys/fs/cgroup", path.lstrip("/"), "memory.events"))
        elif "memory" in controllers.split(","):
            found.append(Path("/sys/fs/cgroup/memory", path.lstrip("/"), "memory.oom_control"))
    return found


def kills_in(text: str) -> int | None:
    """The number after `oom_kill`; None where the text has none."""
    for line in text.splitlines():
        name, _, number = line.partition(" ")
        if name == "oom_kill" and number.strip().isdecimal():
            return int(number)
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
