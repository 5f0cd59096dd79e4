from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sweep.errors import DiskError
from sweep.finalization.installation import (
    candidate_folder,
    install_tested,
    keep_tested,
    make_candidate_folder,
    with_more_rounds,
)
from sweep.records.final_result import FinalResult, Registration, final_folder, read_final
from sweep.records.model_evaluation import Answers
from tests.finalization.test_judge_answers import LABELS, PROBABILITIES, final_result
from tests.pictures.test_evaluation_pictures import NO_ERRORS, errors

FILES = ["final.json", "model.keras", "pictures/errors.png", "test.npz"]


def make_tested(study: Path, result: FinalResult, model: str, *, wrong: bool = True) -> None:
    """Make a candidate that has been trained and tested."""
    folder = make_candidate_folder(study)
    (folder / "model.keras").write_text(model)
    (folder / "raw-model.keras").write_text("of a run that was killed")
    keep_tested(study, result, Answers(PROBABILITIES, LABELS, errors(heat=True) if wrong else NO_ERRORS))


def files(study: Path) -> list[str]:
    folder = final_folder(study)
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_tested_candidate_becomes_the_final_model_with_its_answers(tmp_path: Path) -> None:
    make_tested(tmp_path, final_result(), "new")
    install_tested(tmp_path)

    assert files(tmp_path) == FILES
    assert read_final(tmp_path) == final_result()
    with np.load(final_folder(tmp_path) / "test.npz") as answers:
        assert answers["outputs"].tolist() == PROBABILITIES.tolist()


def test_a_candidate_without_a_result_is_cleared_away_and_changes_nothing(tmp_path: Path) -> None:
    make_tested(tmp_path, final_result(), "old")
    install_tested(tmp_path)
    (make_candidate_folder(tmp_path) / "model.keras").write_text("not tested")
    install_tested(tmp_path)

    assert files(tmp_path) == FILES
    assert (final_folder(tmp_path) / "model.keras").read_text() == "old"


@pytest.mark.parametrize("moved", range(5))
def test_an_installation_interrupted_after_any_file_is_completed_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    make_tested(tmp_path, dataclasses.replace(final_result(), study="old"), "old")
    install_tested(tmp_path)
    make_tested(tmp_path, final_result(), "new")
    real, left = Path.replace, [moved]

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    def replace(path: Path, target: Path) -> Path:
        if not left[0]:
            raise OSError(5, "Input/output error")
        left[0] -= 1
        return real(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        patch.setattr("sweep.finalization.installation.shutil.rmtree", fail)
        with pytest.raises(DiskError, match="Input/output error"):
            install_tested(tmp_path)
    install_tested(tmp_path)

    assert files(tmp_path) == FILES
    assert (final_folder(tmp_path) / "model.keras").read_text() == "new"
    assert read_final(tmp_path) == final_result()


def test_a_model_without_errors_keeps_no_older_picture(tmp_path: Path) -> None:
    make_tested(tmp_path, final_result(), "old")
    install_tested(tmp_path)
    right = dataclasses.replace(final_result(), test=dataclasses.replace(final_result().test, correct=4))
    make_tested(tmp_path, right, "cut off")  # its picture is still there when the next one is tested
    make_tested(tmp_path, right, "new", wrong=False)
    install_tested(tmp_path)

    assert files(tmp_path) == ["final.json", "model.keras", "test.npz"]


def test_a_candidate_is_not_started_if_it_could_not_be_kept(tmp_path: Path) -> None:
    (tmp_path / "final").write_text("a file")

    with pytest.raises(DiskError, match=f"{candidate_folder(tmp_path)}: Not a directory"):
        make_candidate_folder(tmp_path)


def test_more_rounds_keep_the_test_and_move_the_gaps() -> None:
    earlier = dataclasses.replace(final_result(), registered=Registration("store", "demo", "3", "champion"))
    finalists = tuple(
        dataclasses.replace(finalist, mean=0.7) if finalist.trial == 4 else finalist for finalist in earlier.finalists
    )
    found = with_more_rounds(earlier, dataclasses.replace(final_result(), rounds=9, finalists=finalists))

    assert (found.rounds, found.registered) == (9, earlier.registered)
    assert found.test.repeats_gap == pytest.approx(0.7 - 0.75)
    assert found.test.search_gap == pytest.approx(0.9 - 0.75)
    assert dataclasses.replace(found.test, repeats_gap=earlier.test.repeats_gap) == earlier.test
