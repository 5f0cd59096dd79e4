"""Ends trials that hang or take too much memory, and tells the kernel's out-of-memory killer from other kills."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

from sweep.errors import TrialFailure
from sweep.execution.executor import Executor, Outcome, Task
from sweep.records.trial_result import EpochMetrics, OnEpoch
from sweep.space.config import SearchConfig

_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_CGROUPS = Path("/proc/self/cgroup")
_MACHINE = Path("/proc/vmstat")
_PREFERRED = "500"
"""Added to a trial's badness for the kernel's out-of-memory killer (0 to 1000): a trial goes before its supervisor."""

LONGEST_GAP = 5.0
"""Seconds between two looks; more means that this process itself was stopped (Ctrl-Z, a laptop's lid), and does not
count against the trials, which most likely were as well."""


class KillableExecutor(Executor, Protocol):
    """An executor whose tasks are processes of this machine."""

    def pids(self) -> Mapping[int, int]:
        """The processes that run now, by the number of their task."""

    def end(self, number: int, failure: TrialFailure) -> Outcome:
        """Kill the process of a running task, which has failed so."""


@dataclass(frozen=True)
class Limits:
    """What a trial may take.

    Attributes:
        factor: times its usual epoch that a trial may be without one; 0 sets no limit.
        memory: resident bytes; None sets no limit.
        least: seconds that any epoch may take.
        least_first: seconds that the first one may take, with the building of the model and all that is made once.
        unknown: the same for the first trials, when nothing is known of how long an epoch takes.
    """

    factor: float = 10.0
    memory: int | None = None
    least: float = 60.0
    least_first: float = 600.0
    unknown: float = 6 * 3600.0


def limits_of(search: SearchConfig) -> Limits:
    """The limits that a space sets."""
    return Limits(search.watchdog, None if search.memory_limit is None else parse_size(search.memory_limit))


def patience(own: Sequence[float], first: float | None, limits: Limits) -> float:
    """Seconds that a trial may go without finishing an epoch.

    Args:
        own: what its epochs took, the first aside when there are others: it holds the building of the model.
        first: the longest that the first epoch of any trial took; None when there was none.
        limits: of all trials.
    """
    if own:
        return max(limits.least, limits.factor * statistics.median(own[1:] or own))
    return limits.unknown if first is None else max(limits.least_first, limits.factor * first)


@dataclass
class _Watched:
    """When a running trial was heard of last, what its epochs took in seconds, and the process that it runs in."""

    heard: float
    pid: int | None = None
    epochs: list[float] = field(default_factory=list)


class WatchedExecutor:
    """Runs tasks as another executor does, and ends those beyond the limits.

    A limit on the address space (RLIMIT_AS) would be no use: a child of 0.5 GB resident has 3 GB of it with TensorFlow,
    more with CUDA, and what fails then is an allocation in the middle of C++ code, which ends in an abort. So the
    resident memory is looked at with every `wait`.

    Args:
        inner: runs the tasks.
        limits: of every task.
        clock: seconds, never running backwards.
    """

    def __init__(self, inner: KillableExecutor, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._limits = limits
        self._clock = clock
        self._looked = clock()
        self._awake = 0.0
        self._watched: dict[int, _Watched] = {}
        self._longest_first: float | None = None
        self._kills = kernel_kills()

    @property
    def workers(self) -> int:
        """How many tasks run at a time."""
        return self._inner.workers

    def submit(self, task: Task, on_epoch: OnEpoch) -> int:
        """Begin a task."""
        self._pass_time()
        self._watched[task.number] = _Watched(self._awake)

        def heard(metrics: EpochMetrics) -> bool:
            self._heard(task.number, metrics)
            stop = on_epoch(metrics)
            self._pass_time()  # what the supervisor takes is not the trial's
            self._watched[task.number].heard = self._awake
            return stop

        return self._inner.submit(task, heard)

    def wait(self, seconds: float) -> list[Outcome]:
        """Serve the tasks; the outcomes are theirs, and those of the tasks that were ended here."""
        outcomes = [self._with_cause(outcome) for outcome in self._inner.wait(seconds)]
        self._kills = kernel_kills()
        self._pass_time()
        for number, pid in self._inner.pids().items():
            if pid != self._watched[number].pid:  # of a task that has just begun, or begun again
                prefer_to_be_killed(pid)
                self._watched[number].pid = pid
            failure = self._too_much(pid) or self._too_long(self._watched[number])
            if failure is not None:
                outcomes.append(self._inner.end(number, failure))
        for outcome in outcomes:
            self._watched.pop(outcome.number)
        return outcomes

    def close(self) -> None:
        """End whatever still runs, at once."""
        self._inner.close()
        self._watched.clear()

    def _pass_time(self) -> None:
        now = self._clock()
        self._awake += min(now - self._looked, LONGEST_GAP)
        self._looked = now

    def _heard(self, number: int, metrics: EpochMetrics) -> None:
        self._pass_time()
        watched = self._watched[number]
        # A trial that goes on tells its earlier epochs at once; what they took when they were trained counts.
        took = max(self._awake - watched.heard, metrics.seconds)
        if not watched.epochs:
            self._longest_first = max(took, self._longest_first or 0.0)
        watched.epochs.append(took)

    def _too_long(self, watched: _Watched) -> TrialFailure | None:
        allowed = patience(watched.epochs, self._longest_first, self._limits)
        silent = self._awake - watched.heard
        if not self._limits.factor or silent <= allowed:
            return None
        return TrialFailure(
            "timeout",
            f"no epoch within {silent:.0f} s after epoch {len(watched.epochs)} of this start, where "
            f"{allowed:.0f} s are allowed (`search.watchdog` times the usual)",
        )

    def _too_much(self, pid: int) -> TrialFailure | None:
        limit = self._limits.memory
        if limit is None or (size := resident(pid)) <= limit:
            return None
        return TrialFailure(
            "oom", f"the trial's process grew to {show_size(size)} of memory; its limit is {show_size(limit)}"
        )

    def _with_cause(self, outcome: Outcome) -> Outcome:
        """A SIGKILL comes from the kernel when its count of such kills has grown since the last look."""
        ended = outcome.ended
        killed = isinstance(ended, TrialFailure) and ended.cause == "killed" and "SIGKILL" in ended.message
        if not killed or kernel_kills() <= self._kills:
            return outcome
        return Outcome(outcome.number, TrialFailure("oom", "the kernel ended the trial's process: memory had run out"))


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
