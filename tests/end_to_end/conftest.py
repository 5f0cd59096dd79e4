"""Real sweeps on digits: real processes, a real MLflow store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import PATIENCE

HOOK = """
import os, sys

def write(name):
    log = os.open(os.environ["SWEEP_TEST_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, f"{os.environ['SWEEP_TEST_COMMAND']}\\t{name}\\n".encode())
    os.close(log)

def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        folder, name = os.path.split(os.fsdecode(arguments[0]))
        if name in ("test_images.npy", "test_labels.npy") and "/.writing-" not in folder:
            write(name)

if "SWEEP_TEST_LOG" in os.environ:
    write("")
    sys.addaudithook(hook)
"""
"""Files in a cache that is being written (`.writing-…`) do not count: any command may decode the test set there."""
ROUNDS = 3
SMALL = Path(__file__).parent / "small.yaml"


def sweep(command: str, *words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a command and wait until it ends."""
    return subprocess.run(
        [sys.executable, "-m", f"sweep.{command}", *words, "--home", str(home)],
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        env={**environment(), **watched(command, home)},
    )


def watched(command: str, home: Path) -> dict[str, str]:
    """Return variables that make every Python process of a command log when it opens a file of the test set.

    An audit hook sees every way to open a file. Children of the fork server inherit it.
    """
    hook = home / "hook"
    hook.mkdir(parents=True, exist_ok=True)
    (hook / "sitecustomize.py").write_text(HOOK)
    path = os.pathsep.join([str(hook), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"PYTHONPATH": path, "SWEEP_TEST_COMMAND": command, "SWEEP_TEST_LOG": str(home / "opened.txt")}


def opened(home: Path) -> list[tuple[str, str]]:
    """Return (command, file of the test set) for each opened file, and (command, "") for each command."""
    return [(line.split("\t")[0], line.split("\t")[1]) for line in (home / "opened.txt").read_text().splitlines()]


def environment() -> dict[str, str]:
    """Return the environment without settings that change where files go, and with a fixed terminal width."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    return {**kept, "COLUMNS": "200"}


def records(home: Path, study: str = "small") -> list[dict[str, Any]]:
    """Return the trials' records as JSON."""
    paths = sorted((home / "studies" / study / "trials").glob("*/trial.json"))
    return [json.loads(path.read_text()) for path in paths]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the sweep that most tests use."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def finished(home: Path) -> dict[str, Any]:
    """The output of `--json` after eight trials."""
    done = sweep("run", "--space", str(SMALL), "--trials", "8", "--json", home=home)
    assert done.returncode == 0, done.stderr
    output: dict[str, Any] = json.loads(done.stdout)
    return output


@pytest.fixture(scope="session")
def finalized(home: Path, finished: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - after the sweep
    """The output of `finalize --json`."""
    done = sweep("finalize", "--study", "small", "--top", "2", "--max-repeats", str(ROUNDS), "--json", home=home)
    assert (done.returncode, done.stderr) == (0, "")  # TensorFlow would write to it if it were imported here
    output: dict[str, Any] = json.loads(done.stdout)
    return output
