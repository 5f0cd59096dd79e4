"""Real sweeps whose study is moved or replaced while they run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.conftest import SMALL, records, sweep
from tests.end_to_end.test_sweep import start
from tests.waiting import PATIENCE, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.long]


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder by their path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lost(study: Path) -> str:
    return (
        f"error: the study's folder {study} (or its supervisor.lock) was moved, removed or replaced while this process "
        "held it, so nothing more is written. Put the folder back and run the same command again to resume, or use "
        "another name with --study NAME\n"
    )


def assert_lost(process: subprocess.Popen[str], study: Path) -> None:
    """Wait until the sweep ends because its study is gone."""
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (2, lost(study))


def test_a_sweep_whose_study_is_moved_ends_without_writing_and_resumes_when_it_is_back(tmp_path: Path) -> None:
    study, moved = tmp_path / "studies" / "small", tmp_path / "moved"
    process = start(tmp_path)
    study.rename(moved)
    assert_lost(process, study)
    assert not study.exists()

    moved.rename(study)
    before = [(record["state"], len(record["epochs"])) for record in records(tmp_path)]
    assert [state for state, _ in before] == ["running", "running"]
    again = start(tmp_path)  # it returns immediately, because the two trials have epochs
    wait_until(lambda: all(len(new["epochs"]) > old for (_, old), new in zip(before, records(tmp_path), strict=True)))
    os.killpg(again.pid, signal.SIGINT)
    out, _ = again.communicate(timeout=PATIENCE)
    assert again.returncode == 130
    assert "recovered from a run that was killed: trial 0000 after epoch " in out
    assert [record["state"] for record in records(tmp_path)] == ["interrupted", "interrupted"]


def test_a_sweep_whose_study_is_removed_does_not_make_it_again(tmp_path: Path) -> None:
    study = tmp_path / "studies" / "small"
    process = start(tmp_path)
    study.rename(tmp_path / "removed")  # in one step: `rmtree` fails if a child writes a file at the same time
    shutil.rmtree(tmp_path / "removed", ignore_errors=True)
    assert_lost(process, study)
    assert not study.exists()


def test_ctrl_c_of_a_sweep_whose_study_was_replaced_leaves_the_other_study_unchanged(tmp_path: Path) -> None:
    study = tmp_path / "studies" / "small"
    first = start(tmp_path)
    os.kill(first.pid, signal.SIGSTOP)  # it does not notice the move before its Ctrl-C
    study.rename(tmp_path / "moved")
    second = sweep("run", "--space", str(SMALL), "--trials", "1", "--epochs", "2", home=tmp_path)
    assert second.returncode == 0, second.stderr
    before = contents(study)
    os.killpg(first.pid, signal.SIGINT)
    os.kill(first.pid, signal.SIGCONT)
    assert_lost(first, study)

    assert contents(study) == before
    assert [(record["state"], len(record["epochs"])) for record in records(tmp_path)] == [("complete", 2)]


def test_a_sweep_in_a_new_folder_is_not_disturbed_by_the_sweep_in_the_moved_folder(tmp_path: Path) -> None:
    study = tmp_path / "studies" / "small"
    first = start(tmp_path)
    study.rename(tmp_path / "moved")
    second = start(tmp_path)
    assert_lost(first, study)
    os.killpg(second.pid, signal.SIGINT)
    _, err = second.communicate(timeout=PATIENCE)

    assert (second.returncode, "Traceback" in err) == (130, False)
    assert [record["state"] for record in records(tmp_path)] == ["interrupted", "interrupted"]
    for record in records(tmp_path):
        assert [epoch["epoch"] for epoch in record["epochs"]] == list(range(1, len(record["epochs"]) + 1))
