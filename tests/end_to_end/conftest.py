"""Real sweeps on digits: real processes, a real MLflow store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SMALL = Path(__file__).parent / "small.yaml"


def sweep(command: str, *words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", f"sweep.{command}", *words, "--home", str(home)],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment(),
    )


def environment() -> dict[str, str]:
    """Without what would change where things go or how wide a terminal is."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    return {**kept, "COLUMNS": "200"}


def records(home: Path, study: str = "small") -> list[dict[str, Any]]:
    """The trials' records as written."""
    paths = sorted((home / "studies" / study / "trials").glob("*/trial.json"))
    return [json.loads(path.read_text()) for path in paths]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the one sweep ran that most tests look at."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def finished(home: Path) -> dict[str, Any]:
    """What `--json` said about eight trials."""
    done = sweep("run", "--space", str(SMALL), "--trials", "8", "--json", home=home)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told
