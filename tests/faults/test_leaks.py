"""A thousand trials in one sweep, each a real fork: ended trials use no memory, files or threads."""

from __future__ import annotations

import gc
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sweep.execution.fork_server_executor import ForkServerExecutor
from sweep.execution.supervisor import Supervisor, TrialSetting
from sweep.execution.watchdog import Limits, WatchedExecutor
from sweep.records.trial_record import TrialRecord
from sweep.terminal.tally import Tally
from tests.fakes import LINE, PREPARED, STAMP, make_space, make_study
from tests.faults.tasks import quick

TRIALS = 1000
WARM = 100
"""Trials after which imports, caches and pools no longer grow."""


class Measured:
    """Measures this process when a trial ends."""

    def __init__(self) -> None:
        self.ended = 0
        self.at: dict[int, tuple[int, int, int]] = {}

    def __call__(self, record: TrialRecord, worker: int) -> None:  # noqa: ARG002 - an observer's signature
        if record.state != "complete":
            return
        self.ended += 1
        if self.ended in (WARM, TRIALS - 2):
            gc.collect()
            files = len(os.listdir("/proc/self/fd"))
            self.at[self.ended] = (psutil.Process().memory_info().rss, files, threading.active_count())


@pytest.fixture
def memory_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory if possible: ten thousand writes to a disk would take minutes."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="sweep-test-", dir=memory) as folder:
        yield Path(folder)


@pytest.mark.long
@pytest.mark.usefixtures("light_fork_server")
def test_a_thousand_trials_leave_no_memory_file_or_thread_behind(memory_disk: Path) -> None:
    study = make_study(memory_disk / "demo", make_space(LINE, "sampler: random, pruner: {name: none}"))
    executor = WatchedExecutor(ForkServerExecutor([None, None], quick, ["tests.faults.tasks"]), Limits())
    measured = Measured()
    tally = Tally(TRIALS, 2, 4, [])
    supervisor = Supervisor(study, executor, TrialSetting(PREPARED, STAMP, {"cpu": "x" * 50}), [tally, measured])
    supervisor.run(TRIALS)
    (first, last) = (measured.at[count] for count in sorted(measured.at))
    assert (last[0] - first[0]) / (TRIALS - 2 - WARM) < 10_000, "bytes of the supervisor's memory a trial"
    assert last[1] <= first[1] + 2
    assert last[2] <= first[2]  # a thread of an earlier test may have ended
