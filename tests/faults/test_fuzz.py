"""A short run of the fuzzer, if it is installed: `pip install atheris`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.records.trial_record import record_to_json
from tests.fakes import make_record

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.parametrize("target", ["space", "record"])
def test_the_fuzzer_finds_nothing(tmp_path: Path, target: str) -> None:
    pytest.importorskip("atheris")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "trial.json").write_text(record_to_json(make_record(3, (0.25, 0.5))))
    for path in (ROOT / "search_spaces").rglob("*.yaml"):
        shutil.copy(path, corpus)
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.fuzz", target, "-max_total_time=20", "-max_len=4000", str(corpus)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done " in done.stderr
