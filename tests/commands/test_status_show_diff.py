from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.commands.diff import show_differences
from sweep.commands.show import show_trial
from sweep.commands.status import show_status
from sweep.errors import NothingFinished, StudyError
from sweep.records.openings_ledger import Opening, record_opening
from sweep.records.study_lock import StudyLock, holder
from sweep.records.trial_record import write_record
from tests.fakes import make_record, make_study


def study_of_three(home: Path) -> Path:
    folder = home / "studies" / "demo"
    make_study(folder)
    for number, accuracies in enumerate([(0.5, 0.75), (0.25, 0.875)]):
        write_record(folder / "trials" / f"{number:04d}", make_record(number, accuracies))
    write_record(folder / "trials" / "0002", make_record(2, (0.125,), state="running"))
    return folder


def test_status_as_json_has_the_counts_the_running_trials_and_the_best_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with StudyLock(study_of_three(tmp_path)):
        show_status(tmp_path, "demo", watch=False, as_json=True)

    printed = json.loads(capsys.readouterr().out)
    assert printed.pop("run_by").startswith(f"process {os.getpid()} ")
    assert printed == {
        "study": "demo",
        "trials": {"complete": 2, "running": 1},
        "test_openings": 0,
        "running": [{"trial": 2, "epochs": 1, "of": 4}],
        "best": {"trial": 1, "val_accuracy": 0.875, "epoch": 2},
    }


def test_the_running_trials_of_a_killed_run_are_shown_as_interrupted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study_of_three(tmp_path)
    show_status(tmp_path, "demo", watch=False, as_json=False)
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == "study demo: 2 complete, 1 interrupted; not running"
    assert second == "  trial 0002 1/4 epochs, best 0.1250 @1; the next run resumes it"


def test_status_warns_if_the_test_set_was_opened_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = study_of_three(tmp_path)
    for trial in (0, 1):
        record_opening(folder, Opening("2025-01-02T10:00:00.000+00:00", trial, "a" * 64, 180))

    show_status(tmp_path, "demo", watch=False, as_json=False)
    assert "WARNING: the test set was opened 2 times" in capsys.readouterr().out
    show_status(tmp_path, "demo", watch=False, as_json=True)
    assert json.loads(capsys.readouterr().out)["test_openings"] == 2


def test_show_shows_the_best_trial_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study_of_three(tmp_path)
    show_trial(tmp_path, "demo", None, as_json=True)
    assert json.loads(capsys.readouterr().out)["number"] == 1


def test_show_without_a_complete_trial_ends_with_exit_code_3(tmp_path: Path) -> None:
    make_study(tmp_path / "studies" / "demo")
    with pytest.raises(NothingFinished) as caught:
        show_trial(tmp_path, "demo", None, as_json=False)
    assert caught.value.exit_code == 3


def test_diff_as_json_has_only_the_differences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study_of_three(tmp_path)

    show_differences(tmp_path, "demo", 0, 1, as_json=True)

    printed = json.loads(capsys.readouterr().out)
    assert printed == {
        "trials": [0, 1],
        "result": {"val_accuracy": [0.75, 0.875]},
        "configuration": {},
        "environment": {},
    }


def test_an_unknown_study_and_an_unknown_trial_are_errors(tmp_path: Path) -> None:
    study_of_three(tmp_path)
    with pytest.raises(StudyError, match="there is no study other"):
        show_status(tmp_path, "other", watch=False, as_json=False)
    with pytest.raises(StudyError, match="has no trial 9"):
        show_differences(tmp_path, "demo", 0, 9, as_json=False)


def test_the_holder_of_a_lock_is_named_while_it_lives(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    with StudyLock(tmp_path):
        assert str(holder(tmp_path)).startswith("process ")
    assert holder(tmp_path) is None


LOADED = """
import runpy, sys
sys.argv.pop(0)
try:
    runpy.run_module("sweep." + sys.argv[0], run_name="__main__")
except SystemExit as end:
    assert end.code == 0, end.code
print([name for name in ("optuna", "tensorflow", "keras", "mlflow") if name in sys.modules])
"""


@pytest.mark.parametrize("words", [["status"], ["show", "1"], ["diff", "0", "1"]])
def test_inspecting_a_study_loads_neither_optuna_nor_tensorflow(tmp_path: Path, words: list[str]) -> None:
    study_of_three(tmp_path)
    command = [sys.executable, "-W", "ignore", "-c", LOADED, *words, "--study", "demo", "--home", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "[]"), done.stderr
