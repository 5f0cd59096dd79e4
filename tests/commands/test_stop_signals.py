"""How a process handles signals."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE

PROGRAM = """
import sys, time
from sweep.commands.stop_signals import stop_requests

with stop_requests() as stop:
    stop.graceful = sys.argv[1] == "graceful"
    try:
        print("ready", flush=True)
        while not stop():
            time.sleep(0.01)
        print("asked", flush=True)
        for _ in range(6000):  # no long sleep: a signal just before it would only be handled after it
            time.sleep(0.01)
    finally:
        print("tidied up", flush=True)
"""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def start(way: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, way]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_requests_a_stop_and_the_second_exits_at_once(number: signal.Signals) -> None:
    process = start("graceful")
    process.send_signal(number)
    assert process.stdout is not None
    assert process.stdout.readline() == "asked\n"
    process.send_signal(number)
    assert process.communicate(timeout=PATIENCE)[0] == ""
    assert process.returncode == 130


@pytest.mark.parametrize("number", SIGNALS)
def test_before_anything_runs_the_first_signal_ends_the_process_cleanly(number: signal.Signals) -> None:
    process = start("at once")
    process.send_signal(number)
    assert process.communicate(timeout=PATIENCE)[0] == "tidied up\n"
    assert process.returncode == 130
