"""The commands as programs: exit codes, their output, and which packages they do not import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.waiting import PATIENCE

BAD = """
study: demo
data: {name: digits}
model: {builder: vgg, blokcs: 3}
training: {epochs: 0, optimizer: adam, learning_rate: {low: 1, high: 0.1}}
"""
GOOD = """
study: demo
data: {name: digits}
model: {builder: vgg, blocks: [1, 2], filters: {each: blocks, choices: [8, 16]}, activation: [relu, elu]}
training: {epochs: 2}
"""

# Runs several command lines in one process, because starting one takes a second.
DRIVER = """
import contextlib, io, json, runpy, sys
answers = []
for words in json.loads(sys.argv[1]):
    sys.argv = words
    out, err, code = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code
    heavy = [name for name in ("tensorflow", "optuna", "mlflow", "numpy", "sklearn") if name in sys.modules]
    answers.append((code, out.getvalue(), err.getvalue(), heavy))
print(json.dumps(answers))
"""


@dataclass(frozen=True)
class Answer:
    """The result of a command, and the heavy packages that were imported up to its end."""

    code: int
    out: str
    err: str
    heavy: list[str]


def commands(folder: Path, *lines: list[str]) -> list[Answer]:
    """Run `python -m LINE` for each line, in `folder`."""
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DRIVER, json.dumps(lines)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, "COLUMNS": "200"},  # wide enough to break no message
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return [Answer(*answer) for answer in json.loads(process.stdout.splitlines()[-1])]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bad.yaml").write_text(BAD)
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path


def test_help_and_a_bad_space_import_no_heavy_package(folder: Path) -> None:
    run_help, check_help, reproduce_help, doctor_help, run_bad, check_bad, no_file, good = commands(
        folder,
        ["sweep.run", "--help"],
        ["sweep.check", "--help"],
        ["sweep.reproduce", "--help"],
        ["sweep.doctor", "--help"],
        ["sweep.run", "--space", "bad.yaml"],
        ["sweep.check", "bad.yaml"],
        ["sweep.run", "--space", "god.yaml"],
        ["sweep.run", "--space", "good.yaml", "--set", "training.epochs"],
    )
    for answer in (run_help, check_help, reproduce_help, doctor_help):
        assert (answer.code, answer.err) == (0, "")
        assert "Usage: python -m sweep." in answer.out
    assert run_bad.err.splitlines() == [
        "bad.yaml:4:23: unknown key `blokcs` in `model`; did you mean `blocks`?",
        "bad.yaml:5:20: `epochs` must be an integer, at least 1, not 0",
        "bad.yaml:5:61: `learning_rate`: low 1 is more than high 0.1; swap them",
    ]
    assert check_bad.err == run_bad.err
    assert no_file.err == "error: god.yaml:1:1: there is no such file; the folder has bad.yaml, good.yaml\n"
    assert "KEY=VALUE such as training.epochs=20" in good.err
    for answer in (run_bad, check_bad, no_file, good):
        assert (answer.code, answer.out) == (2, "")
        assert "Traceback" not in answer.err
    assert good.heavy == []
    assert not (folder / "studies").exists()


def test_bad_options_end_with_code_2_and_a_fast_check_builds_nothing(folder: Path) -> None:
    run = ["sweep.run", "--space", "good.yaml"]
    *bad, plain, as_json = commands(
        folder,
        ["sweep.run"],
        [*run, "--workers", "many"],
        [*run, "--workers", "0"],
        [*run, "--trials", "0"],
        [*run, "--threads", "0"],
        [*run, "--wokers", "2"],
        [*run, "--set", "training.epochs=none"],
        [*run, "--study", "../outside"],
        ["sweep.reproduce", "--study", "nothing"],
        ["sweep.reproduce", "--study", "a/b"],
        ["sweep.check", "good.yaml", "--fast"],
        ["sweep.check", "good.yaml", "--fast", "--json"],
    )
    missing, workers, zero, trials, threads, option, value, study, reproduce, name = bad
    for answer in bad:
        assert (answer.code, answer.out) == (2, ""), answer
        assert "Traceback" not in answer.err
    assert "Missing option '--space'" in missing.err
    assert "expected auto or a number from 1, not 'many'" in workers.err
    assert "expected auto or a number from 1, not '0'" in zero.err
    assert "Invalid value for '--trials': Input should be greater than or equal to 1" in trials.err
    assert "Invalid value for '--threads': Input should be greater than or equal to 1" in threads.err
    assert "No such option: --wokers" in option.err
    assert value.err == 'error: --set training.epochs=none:1:1: `epochs` must be an integer, at least 1, not "none"\n'
    assert study.err == (
        "error: a study's name has 1 to 64 letters, digits, `.`, `_` or `-`, and starts with a letter or digit; "
        'received "../outside"\n'
    )
    assert reproduce.err == (
        "error: there is no study nothing in studies: there are no studies yet; `python -m sweep.run --space FILE` "
        "makes one\n"
    )
    assert "a study's name has 1 to 64 letters" in name.err
    assert not (folder / "studies").exists()
    assert (plain.code, plain.err) == (0, "")
    assert plain.out.splitlines() == [
        "study demo: 4 parameters",
        "  blocks                   [1, 2]",
        "  filters_1                [8, 16]",
        "  filters_2                [8, 16]   when blocks in [2]",
        '  activation               ["relu", "elu"]',
    ]
    assert as_json.code == 0
    assert json.loads(as_json.out) == {
        "study": "demo",
        "parameters": ["blocks", "filters_1", "filters_2", "activation"],
    }
    assert "tensorflow" not in as_json.heavy


def test_the_command_sweep_has_every_command(folder: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "sweep", "--help"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert all(f" {command} " in process.stdout for command in ("run", "check", "reproduce", "doctor"))
