"""Trials that fail in a child of the fork server, with a preload without TensorFlow."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path

from sweep.execution.executor import Task
from sweep.records.trial_result import OnEpoch, TrialResult
from tests.fakes import FakeTrain, fake_epoch

MEGABYTE = 2**20


def stopping(task: Task, on_epoch: OnEpoch) -> TrialResult:
    """Finish one epoch, then stop as with a hung driver; after SIGCONT, train."""
    on_epoch(fake_epoch(task.config, 1))
    os.kill(os.getpid(), signal.SIGSTOP)
    return FakeTrain()(task, on_epoch)


def silent(task: Task, on_epoch: OnEpoch) -> TrialResult:
    """Never finish the first epoch."""
    time.sleep(3600)
    return FakeTrain()(task, on_epoch)


def growing(task: Task, on_epoch: OnEpoch) -> TrialResult:
    """Allocate and keep 400 MB, 5 MB every hundredth of a second."""
    taken = []
    for _ in range(80):
        taken.append(b"x" * (5 * MEGABYTE))
        time.sleep(0.01)
    time.sleep(3600)
    return FakeTrain()(task, on_epoch)


def beyond_the_address_space(task: Task, on_epoch: OnEpoch) -> TrialResult:
    """Allocate more than the limit on the address space."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + 50 * MEGABYTE, resource.RLIM_INFINITY))
    bytearray(500 * MEGABYTE)
    return FakeTrain()(task, on_epoch)


def killed_twice(task: Task, on_epoch: OnEpoch) -> TrialResult:
    """Die of SIGKILL before the first epoch, the first two times."""
    starts = task.folder / "starts"
    count = int(starts.read_text()) + 1 if starts.exists() else 1
    starts.write_text(str(count))
    if count <= 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return FakeTrain()(task, on_epoch)


def quick(task: Task, on_epoch: OnEpoch) -> TrialResult:
    """Train in closed form."""
    return FakeTrain()(task, on_epoch)
