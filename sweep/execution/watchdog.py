"""Ends trials that hang or use too much memory; distinguishes the kernel's out-of-memory killer from other kills."""

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
"""A trial's `oom_score_adj`: with it, the kernel's out-of-memory killer kills the trial before the supervisor."""

LONGEST_GAP = 5.0
"""Of the time between two checks, at most this number of seconds counts. A longer gap means that this process itself
was stopped (Ctrl-Z, a closed laptop lid), and most likely the trials too."""


class KillableExecutor(Executor, Protocol):
    """An executor whose tasks are processes of this machine."""

    def pids(self) -> Mapping[int, int]:
        """Return the pids of the running processes by task number."""

    def end(self, number: int, failure: TrialFailure) -> Outcome:
        """Kill the process of a running task and return its outcome, the failure."""


@dataclass(frozen=True)
class Limits:
    """The time and memory that a trial may use.

    Attributes:
        factor: the time limit for an epoch, as a multiple of the trial's usual epoch time; 0 sets no limit.
        memory: the limit for resident memory, in bytes; None sets no limit.
        least: the time limit for an epoch is at least this number of seconds.
        least_first: the same for the first epoch, whose time includes building the model and other one-time work.
        unknown: the limit in seconds for a first epoch while no trial of the run has finished its first epoch.
    """

    factor: float = 10.0
    memory: int | None = None
    least: float = 60.0
    least_first: float = 600.0
    unknown: float = 6 * 3600.0


def limits_of(search: SearchConfig) -> Limits:
    """Return the limits that the section `search` sets."""
    return Limits(search.watchdog, None if search.memory_limit is None else parse_size(search.memory_limit))


def patience(own: Sequence[float], first: float | None, limits: Limits) -> float:
    """Return the time limit in seconds for the next epoch of a trial.

    Args:
        own: the trial's epoch times; the first includes building the model and counts only if it is the only one.
        first: seconds of the longest first epoch of any trial; None if no trial has finished an epoch.
        limits: the limits of all trials.
    """
    if own:
        return max(limits.least, limits.factor * statistics.median(own[1:] or own))
    return limits.unknown if first is None else max(limits.least_first, limits.factor * first)


@dataclass
class _Watched:
    """A running trial.

    Attributes:
        heard: when the trial started or last reported an epoch, in counted seconds (see `LONGEST_GAP`).
        pid: the process that it runs in; None until the first check.
        epochs: seconds that each finished epoch took.
    """

    heard: float
    pid: int | None = None
    epochs: list[float] = field(default_factory=list)


class WatchedExecutor:
    """Runs tasks with another executor and ends those that exceed the limits.

    A limit on the address space (RLIMIT_AS) would not help: with TensorFlow, a child with 0.5 GB of resident memory has
    3 GB of address space, more with CUDA, and an allocation that fails in C++ code aborts the process. So every `wait`
    checks the resident memory.

    Args:
        inner: the executor that runs the tasks.
        limits: the limits of each task.
        clock: a monotonic clock that returns seconds.
    """

    def __init__(self, inner: KillableExecutor, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._limits = limits
        self._clock = clock
        self._checked = clock()
        self._elapsed = 0.0
        self._watched: dict[int, _Watched] = {}
        self._longest_first: float | None = None
        self._kills = kernel_kills()

    @property
    def workers(self) -> int:
        """The number of tasks that can run at a time."""
        return self._inner.workers

    def submit(self, task: Task, on_epoch: OnEpoch) -> int:
        """Start a task; see `Executor.submit`."""
        self._pass_time()
        watched = self._watched[task.number] = _Watched(self._elapsed)

        def on_watched_epoch(metrics: EpochMetrics) -> bool:
            self._add_epoch(watched, metrics)
            stop = on_epoch(metrics)
            self._pass_time()  # the time that `on_epoch` takes here is not time of the trial
            watched.heard = self._elapsed
            return stop

        return self._inner.submit(task, on_watched_epoch)

    def wait(self, seconds: float) -> list[Outcome]:
        """Process what the tasks report; return the outcomes of tasks that have ended or were ended here."""
        outcomes = [self._with_cause(outcome) for outcome in self._inner.wait(seconds)]
        self._kills = kernel_kills()
        self._pass_time()
        for number, pid in self._inner.pids().items():
            if pid != self._watched[number].pid:  # the task has just started or restarted
                prefer_to_be_killed(pid)
                self._watched[number].pid = pid
            failure = self._memory_failure(pid) or self._timeout_failure(self._watched[number])
            if failure is not None:
                outcomes.append(self._inner.end(number, failure))
        for outcome in outcomes:
            self._watched.pop(outcome.number)
        return outcomes

    def close(self) -> None:
        """End all running tasks immediately."""
        self._inner.close()
        self._watched.clear()

    def _pass_time(self) -> None:
        now = self._clock()
        self._elapsed += min(now - self._checked, LONGEST_GAP)
        self._checked = now

    def _add_epoch(self, watched: _Watched, metrics: EpochMetrics) -> None:
        self._pass_time()
        # A resumed trial reports all its earlier epochs within a moment; for these, the recorded training times count.
        took = max(self._elapsed - watched.heard, metrics.seconds)
        if not watched.epochs:
            self._longest_first = max(took, self._longest_first or 0.0)
        watched.epochs.append(took)

    def _timeout_failure(self, watched: _Watched) -> TrialFailure | None:
        allowed = patience(watched.epochs, self._longest_first, self._limits)
        silent = self._elapsed - watched.heard
        if not self._limits.factor or silent <= allowed:
            return None
        epoch = "the epoch after the last finished one" if watched.epochs else "the first epoch"
        limit = f"the limit is {allowed:.0f} s (see `search.watchdog`)"
        return TrialFailure("timeout", f"{epoch} did not finish within {silent:.0f} s; {limit}")

    def _memory_failure(self, pid: int) -> TrialFailure | None:
        limit = self._limits.memory
        if limit is None or (size := resident(pid)) <= limit:
            return None
        message = f"the trial's process used {show_size(size)} of memory; the limit is {show_size(limit)}"
        return TrialFailure("oom", message)

    def _with_cause(self, outcome: Outcome) -> Outcome:
        """Attribute a SIGKILL to the kernel if its count of out-of-memory kills has grown since the last check."""
        ended = outcome.ended
        killed = isinstance(ended, TrialFailure) and ended.cause == "killed" and "SIGKILL" in ended.message
        if not killed or kernel_kills() <= self._kills:
            return outcome
        return Outcome(
            outcome.number, TrialFailure("oom", "the kernel ended the trial's process because memory ran out")
        )


def parse_size(text: str) -> int:
    """Return the bytes of a size such as `512M` or `1.5G`, in powers of 1024."""
    return int(float(text[:-1]) * _UNITS[text[-1]])


def show_size(size: int) -> str:
    """Format bytes as `1.50 GiB`."""
    return f"{size / 2**30:.2f} GiB"


def resident(pid: int) -> int:
    """Return the resident bytes of a process, including those shared with the fork server; 0 if it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def prefer_to_be_killed(pid: int) -> None:
    """Let the kernel kill the process `pid` first when memory runs out."""
    # Writing fails without /proc or if the process has ended; the watchdog works without this preference.
    with suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text(_PREFERRED)


def kernel_kills() -> int:
    """Return the kernel's count of out-of-memory kills in this control group or, if it has none, on this machine."""
    for path in [*_counters(_read(_CGROUPS)), _MACHINE]:
        kills = kills_in(_read(path))
        if kills is not None:
            return kills
    return 0


def _counters(cgroups: str) -> list[Path]:
    """Return the files that may count kills, given /proc/self/cgroup as text; files of cgroup version 2 come first."""
    found: list[Path] = []
    for line in cgroups.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            found.insert(0, Path("/sys/fs/cgroup", path.lstrip("/"), "memory.events"))
        elif "memory" in controllers.split(","):
            found.append(Path("/sys/fs/cgroup/memory", path.lstrip("/"), "memory.oom_control"))
    return found


def kills_in(text: str) -> int | None:
    """Return the number after `oom_kill`; None if the text has none."""
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
