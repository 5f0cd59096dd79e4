"""Install a tested model in `final/`, in steps that survive a kill at any moment.

A candidate is trained and tested in `final/candidate/`, which receives its result last; then its files replace the
earlier ones, the result last again. The next run completes what was interrupted, without opening the test set again.
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np

from sweep.finalization.judge_answers import gaps
from sweep.pictures.evaluation_pictures import ERRORS, draw_worst_errors
from sweep.records.atomic_writing import atomic_write
from sweep.records.disk import RESERVE, disk_errors, make_folder
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
    """Make the folder after checking the disk: if the answers to the test set were lost, the opening would be wasted.

    Raises:
        DiskError, StudyError: see `make_folder`.
    """
    folder = candidate_folder(study_folder)
    make_folder(folder, RESERVE)
    return folder


def keep_tested(study_folder: Path, result: FinalResult, answers: Answers) -> None:
    """Write the test's result and answers next to the candidate; this model never needs another opening.

    Raises:
        DiskError: a file cannot be written.
    """
    folder = candidate_folder(study_folder)
    with disk_errors(folder):
        (folder / ERRORS).unlink(missing_ok=True)  # from a run that was killed here
        with atomic_write(folder / ANSWERS_FILE) as part:
            np.savez(part, outputs=answers.probabilities, labels=answers.labels)
        draw_worst_errors(folder / ERRORS, result, answers.errors)
        write_result(folder, result)


def install_tested(study_folder: Path) -> None:
    """Replace the final model by the tested candidate, if there is one.

    Raises:
        DiskError: a file cannot be moved.
        RecordError: the candidate's result cannot be read.
    """
    folder, final = candidate_folder(study_folder), final_folder(study_folder)
    result = read_result(folder)
    with disk_errors(final):
        if result is None:
            # The candidate is missing, or its training or test was interrupted: the next one starts from scratch.
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
    """Return the result of more rounds that lead to an earlier model: with its test and registration, but new gaps."""
    winner = next(finalist for finalist in result.finalists if finalist.trial == result.winner)
    test = earlier.test
    search, repeats = gaps(result.objective, test.accuracy, test.loss, winner.search_score, winner.mean)
    test = dataclasses.replace(test, search_gap=search, repeats_gap=repeats)
    return dataclasses.replace(result, test=test, registered=earlier.registered)
