"""The example script in the repository: a real sweep on real digits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import sweep
from tests.end_to_end.conftest import environment
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.long]
EXAMPLE = Path(sweep.__file__).parents[1] / "scripts" / "examples" / "digits.py"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def output(home: Path) -> str:
    """The output of the example."""
    root = str(EXAMPLE.parents[2])
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), str(home)],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        env={**environment(), "PYTHONPATH": root},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_script_runs_once_and_finishes(home: Path, output: str) -> None:
    assert output.count("study example: 3 trials") == 1
    assert "<Study example: 3 trials (3 complete), best val_accuracy" in output
    assert "next         sweep.reproduce(study.best)\n" in output
    assert f"report: {home}/studies/example/report.html\n" in output
    assert (home / "studies/example/history.html").is_file()


def test_the_model_takes_raw_images_and_recognizes_most_digits(output: str) -> None:
    line = next(line for line in output.splitlines() if line.startswith("predictions for images of 0, 1, 2, 3 and 4: "))
    answers = json.loads(line.removeprefix("predictions for images of 0, 1, 2, 3 and 4: "))
    assert len(answers) == 5
    assert sum(answer == digit for digit, answer in enumerate(answers)) >= 3


def test_the_best_trial_is_reproduced_and_its_model_kept(home: Path, output: str) -> None:
    number = sweep.Study("example", home).best.number
    kept = home / "studies/example/again/model.keras"
    assert output.splitlines()[-1] == f"<Reproduction of trial {number} of example: EXACT> {kept}"
    assert kept.is_file()


@pytest.mark.usefixtures("output")
def test_the_arguments_are_in_the_records(home: Path) -> None:
    record = json.loads((home / "studies/example/trials/0002/trial.json").read_text())
    assert (record["config"]["training"]["batch_size"], record["config"]["training"]["epochs"]) == (16, 3)
    assert record["data"]["train"] + record["data"]["validation"] == 300
