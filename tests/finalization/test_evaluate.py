from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import pytest

from sweep.data.cache import Prepared
from sweep.errors import StudyError
from sweep.finalization.evaluate import evaluate
from sweep.records.openings_ledger import Opening, read_openings
from sweep.records.trial_record import TrialRecord
from sweep.training.tf_determinism import use_threads
from tests.fakes import lock_file

use_threads(1)  # before anything runs: TensorFlow takes the number only once per process

pytestmark = pytest.mark.slow
OPENING = Opening("2025-01-02T10:00:00+00:00", 0, "w" * 64, 360)


def save_model(path: Path) -> Path:
    """Write an untrained model for digits."""
    layers = [keras.layers.Conv2D(2, 3), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10, "softmax")]
    keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Rescaling(1 / 255), *layers]).save(path)
    return path


def test_an_opening_is_recorded_in_the_study_that_is_locked(
    prepared: Prepared, finalist: Callable[..., TrialRecord], tmp_path: Path
) -> None:
    study = tmp_path / "demo"
    lock = lock_file(study)
    answers = evaluate(study, prepared, OPENING, save_model(tmp_path / "model.keras"), finalist(0).config, lock)
    assert answers.probabilities.shape == (len(answers.labels), 10)
    assert read_openings(study) == (OPENING,)


def test_the_test_set_stays_closed_if_another_study_is_at_the_same_path(
    prepared: Prepared, finalist: Callable[..., TrialRecord], tmp_path: Path
) -> None:
    study = tmp_path / "demo"
    lock = lock_file(study)
    study.rename(tmp_path / "moved")
    study.mkdir()
    with pytest.raises(StudyError, match=r"was moved, removed or replaced while this process held it"):
        evaluate(study, prepared, OPENING, save_model(tmp_path / "model.keras"), finalist(0).config, lock)
    assert read_openings(study) == read_openings(tmp_path / "moved") == ()
