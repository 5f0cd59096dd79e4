"""Install a tested model in `final/`, in steps that can be interrupted at any moment.

A candidate is trained and tested in `final/candidate/`; its result is written last. Then its files replace those of the
earlier model, again with the result last. The next run completes an interrupted installation without another opening.
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np

from sweep.finalization.judge_answers import gaps
from sweep.pictures.evaluation_pictures import ERRORS, draw_worst_errors
from sweep.records.atomic_writing import atomic_write
from sweep.records.disk import RESERVE, disk_errors, make_folder, make_subfolder
from sweep.records.final_result import (
    ANSWERS_FILE,
    MODEL_FILE,
    PICTURES,
    RESULT_FILE,
    FinalResult,
    final_folder,
    read_result,
    write_result,
)
from sweep.records.model_evaluation import Answers


def candidate_folder(study_folder: Path) -> Path:
    """`studies/NAME/final/candidate`."""
    return final_folder(study_folder) / "candidate"


def make_candidate_folder(study_folder: Path) -> Path:
    """Make the candidate's folder. Check the disk first, because an opening is wasted if its answers cannot be written.

    Raises:
        DiskError, StudyError: see `make_folder`.
    """
    folder = candidate_folder(study_folder)
    with disk_errors(folder):
        make_subfolder(study_folder, folder)  # `make_folder` would also make a study's folder that was removed
    make_folder(folder, RESERVE)
    return folder


def keep_tested(study_folder: Path, result: FinalResult, answers: Answers) -> None:
    """Write the test's result and answers next to the candidate, so that a later run can install it without an opening.

    Raises:
        DiskError: a file cannot be written.
    """
    folder = candidate_folder(study_folder)
    with disk_errors(folder):
        (folder / ERRORS).unlink(missing_ok=True)  # left by a run that was killed before it wrote its result
        with atomic_write(folder / ANSWERS_FILE) as part:
            np.savez(part, outputs=answers.probabilities, labels=answers.labels)
        draw_worst_errors(folder / ERRORS, result, answers.errors)
        write_result(folder, result)


def install_tested(study_folder: Path) -> None:
    """Replace the final model with the tested candidate, if there is one.

    Raises:
        DiskError: a file cannot be moved.
        RecordError: the candidate's result cannot be read.
    """
    folder, final = candidate_folder(study_folder), final_folder(study_folder)
    result = read_result(folder)
    with disk_errors(final):
        if result is None:
            # There is no candidate, or its training or test was interrupted: the next candidate starts from scratch.
            shutil.rmtree(folder, ignore_errors=True)
            return
        (final / PICTURES).mkdir(exist_ok=True)
        if result.test.correct == result.test.images:
            (final / PICTURES / ERRORS).unlink(missing_ok=True)
        for name, place in ((MODEL_FILE, final), (ANSWERS_FILE, final), (ERRORS, final / PICTURES)):
            if (folder / name).is_file():
                (folder / name).replace(place / name)
        (folder / RESULT_FILE).replace(final / RESULT_FILE)
        shutil.rmtree(folder)


def with_more_rounds(earlier: FinalResult, result: FinalResult) -> FinalResult:
    """Return `result` with the test and registration of `earlier`, which has the same winner, and with updated gaps."""
    winner = next(finalist for finalist in result.finalists if finalist.trial == result.winner)
    test = earlier.test
    search, repeats = gaps(result.objective, test.accuracy, test.loss, winner.search_score, winner.mean)
    test = dataclasses.replace(test, search_gap=search, repeats_gap=repeats)
    return dataclasses.replace(result, test=test, registered=earlier.registered)
