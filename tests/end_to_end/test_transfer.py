"""Transfer learning with the commands for users, with available and with missing weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import environment, records, sweep
from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow

SPACE = """
study: own
data: {name: digits, limit: 60, validation: 0.3}
model: {builder: transfer, backbone: MobileNetV2, weights: own.weights.h5, input_size: 32, trainable: [0.0, 0.1]}
training: {epochs: 1}
"""
MAKE = "import keras; keras.applications.MobileNetV2(include_top=False, weights=None).save_weights('own.weights.h5')"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A home with a space."""
    (tmp_path / "own.yaml").write_text(SPACE)
    return tmp_path


@pytest.mark.long
def test_a_study_with_a_weights_file_runs_and_is_reproduced_exactly(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", MAKE], cwd=folder, check=True, capture_output=True, timeout=PATIENCE)
    done = sweep("run", "--space", str(folder / "own.yaml"), "--trials", "2", "--quiet", home=folder)
    assert done.returncode == 0, done.stderr
    again = sweep("reproduce", "--study", "own", home=folder)

    models = [record["config"]["model"] for record in records(folder, "own")]
    assert {len(model["weights_digest"]) for model in models} == {64}
    assert "EXACT" in again.stdout


def test_weights_that_cannot_be_fetched_are_reported_before_a_trial_runs(folder: Path) -> None:
    # Nothing listens on the port of this proxy, so the test needs no network.
    cut_off = {**environment(), "KERAS_HOME": str(folder / "keras"), "https_proxy": "http://127.0.0.1:9"}
    words = ["--space", str(folder / "own.yaml"), "--set", "model.weights=imagenet", "--study", "away"]
    command = [sys.executable, "-m", "sweep.run", *words, "--trials", "1", "--home", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, env=cut_off)

    assert done.returncode == 2
    assert f"put the file at {folder}/keras/models/mobilenet_v2_weights" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert records(folder, "away") == []
