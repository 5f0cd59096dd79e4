"""A real sweep under SIGKILLs, compared bit by bit with an undisturbed one by the command for users."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import environment

PROGRAM = Path(__file__).parents[2] / "scripts" / "torture.py"


@pytest.mark.long
@pytest.mark.timeout(2100)
def test_nothing_is_lost_doubled_or_different_after_sigkills(tmp_path: Path) -> None:
    words = ["--trials", "4", "--epochs", "4", "--kills", "5", "--workers", "1", "--limit", "600", "--seed", "3"]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *words, "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=1800,  # with ten processes on two cores, the undisturbed sweep takes 230 s
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything is the same" in done.stdout
    assert "seed 3: 5 kills" in done.stdout
