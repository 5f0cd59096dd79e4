"""A study that is moved, removed or replaced while a command works on it: nothing is made at its old path."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.cli import app
from sweep.commands import report
from sweep.commands.command_line import run_app
from sweep.commands.report import read_history, write_page, write_page_in_study
from sweep.errors import DiskError, StudyError, UserError
from sweep.finalization.final_outputs import write_outputs
from sweep.finalization.installation import make_candidate_folder
from sweep.records.final_result import write_final
from sweep.records.home import Home
from sweep.records.openings_ledger import Opening, record_opening
from sweep.records.study_id import study_id
from sweep.records.study_lock import StudyLock
from sweep.study.importance import Importances, importances
from tests.finalization.test_judge_answers import final_result
from tests.reporting.simulate import simulate, simulated_space, write_study

LOST = r"^the study's folder {} \(or its supervisor\.lock\) was moved, removed or replaced while this process held it"


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The folder of a study of six trials."""
    space = simulated_space()
    return write_study(tmp_path, "demo", space, simulate(6, space=space))


@pytest.mark.parametrize(
    "write",
    [
        make_candidate_folder,
        study_id,
        StudyLock,
        lambda folder: write_final(folder, final_result()),
        lambda folder: write_outputs(folder, final_result(), ""),
        lambda folder: record_opening(folder, Opening("2025-01-02T10:00:00+00:00", 0, "w" * 64, 9)),
        lambda folder: write_page_in_study(Home(folder.parent.parent), "demo"),
    ],
    ids=["candidate", "id", "lock", "final", "outputs", "opening", "report"],
)
def test_no_writer_makes_a_removed_study_again(tmp_path: Path, write: Callable[[Path], object]) -> None:
    (tmp_path / "studies").mkdir()
    with pytest.raises(StudyError):
        write(tmp_path / "studies" / "demo")
    assert tree(tmp_path) == ["studies"]


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("show", "0"),
        ("diff", "0", "1"),
        ("report",),
        ("report", "--format", "csv"),
        ("sync",),
        ("reproduce",),
        ("finalize",),
        ("repair",),
    ],
    ids=" ".join,
)
def test_readers_say_that_a_removed_study_does_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    (tmp_path / "studies" / "other").mkdir(parents=True)
    (tmp_path / "studies" / "other" / "study.db").touch()
    before = tree(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sweep", *words, "--study", "demo", "--home", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        run_app(app(), "sweep")
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        f"error: there is no study demo in {tmp_path}/studies; existing studies: other\n"
    )
    assert tree(tmp_path) == before


def test_a_study_that_is_removed_while_its_report_is_computed_is_not_made_again(
    tmp_path: Path, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(*arguments: object) -> Importances:
        shutil.rmtree(study)
        return importances(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(report, "importances", remove)
    home = Home(tmp_path)
    with pytest.raises(UserError, match=rf"^{study}/\w+\.\w+: cannot be written: No such file or directory"):
        write_page(home, read_history(home, "demo"), None, None)
    assert tree(tmp_path) == ["studies"]


def test_the_report_of_a_sweep_is_not_written_to_another_study_at_the_same_path(
    tmp_path: Path, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(*arguments: object) -> Importances:
        study.rename(study.with_name("moved"))
        study.mkdir()
        return importances(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(report, "importances", replace)
    with StudyLock(study) as lock, pytest.raises(StudyError, match=LOST.format(study)):
        write_page_in_study(Home(tmp_path), "demo", lock.file)
    assert tree(study) == []


def test_a_lock_whose_folder_may_not_be_read_is_a_disk_error(plain_user: Path) -> None:
    folder = plain_user / "demo"
    folder.mkdir()
    with StudyLock(folder) as lock:
        folder.chmod(0o000)
        with pytest.raises(DiskError, match=rf"^{folder}/supervisor\.lock: Permission denied; "):
            lock.check()
        folder.chmod(0o755)
