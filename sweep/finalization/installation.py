"""From a model that has been tested to `final/`, in steps that can be cut off anywhere.

A candidate is trained, tested and described in `final/candidate/`, its result last; then its files take the place of
those before, the result last again. What was cut off is done by the next run, and no test set is opened twice for it.
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
from sweep.records.final_answers import Answers
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


def candidate_folder(study_folder: Path) -> Path:
    """`studies/NAME/final/candidate`."""
    return final_folder(study_folder) / "candidate"


def make_candidate_folder(study_folder: Path) -> Path:
    """Make it, once it is clear that what comes can be written: an opened test set whose answers are lost is spent.

    Raises:
        DiskError, StudyError: see `make_folder`.
    """
    folder = candidate_folder(study_folder)
    make_folder(folder, RESERVE)
    return folder


def keep_tested(study_folder: Path, result: FinalResult, answers: Answers) -> None:
    """Write beside the candidate what the test set said of it; from now on it need not be opened again for this model.

    Raises:
        DiskError: something cannot be written.
    """
    folder = candidate_folder(study_folder)
    with disk_errors(folder):
        (folder / ERRORS).unlink(missing_ok=True)  # of a run that was cut off here
        with atomic_write(folder / ANSWERS_FILE) as part:
            np.savez(part, outputs=answers.probabilities, labels=answers.labels)
        draw_worst_errors(folder / ERRORS, result, answers.errors)
        write_result(folder, result)


def install_tested(study_folder: Path) -> None:
    """Put a tested candidate, where there is one, in the place of the final model.

    Raises:
        DiskError: a file cannot be moved.
        RecordError: the candidate's result cannot be read.
    """
    folder, final = candidate_folder(study_folder), final_folder(study_folder)
    result = read_result(folder)
    with disk_errors(final):
        if result is None:
            # Of a training that was cut off, or all but empty: what is trained next, is trained anew.
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
    """The result of more rounds that lead to the model of an earlier one, whose test it keeps; the gaps are new."""
    winner = next(finalist for finalist in result.finalists if finalist.trial == result.winner)
    test = earlier.test
    search, repeats = gaps(result.objective, test.accuracy, test.loss, winner.search_score, winner.mean)
    test = dataclasses.replace(test, search_gap=search, repeats_gap=repeats)
    return dataclasses.replace(result, test=test, registered=earlier.registered)
