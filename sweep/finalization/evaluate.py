"""Evaluate the final model on the test set. Runs in a child process, because it needs TensorFlow."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sweep.analysis.calibration import probabilities_of
from sweep.data.cache import Prepared
from sweep.data.sealed_test_part import open_counted
from sweep.inference.prediction import BATCH, gives_logits, load_model
from sweep.inference.tf_gradcam import heat_maps
from sweep.models.user_model_checks import check_outputs_for_noise
from sweep.records.held_file import HeldFile
from sweep.records.model_evaluation import Answers, WorstErrors
from sweep.records.openings_ledger import Opening
from sweep.records.study_lock import check_lock
from sweep.space.config import TrialConfig
from sweep.training.tf_determinism import use_threads

ERRORS = 12
"""Maximum number of wrong answers to show."""


def evaluate(
    study_folder: Path, prepared: Prepared, opening: Opening, model_file: Path, config: TrialConfig, lock: HeldFile
) -> Answers:
    """Record an opening of the test set, then open it and run the model on it.

    Before the opening, the model is tried on noise (predictions, heat maps): a model that fails there costs no opening.

    Args:
        study_folder: the study's folder, in which openings are recorded.
        prepared: the prepared images.
        opening: the opening to record.
        model_file: a .keras file.
        config: the model's configuration.
        lock: the file of the study's lock, which the caller's process holds.

    Raises:
        ModelFileError, StudyError, DataError: see `load_model`, `check_lock` and `open_counted`.
        ModelError: the model's outputs are not finite, or not those that its space describes.
    """
    use_threads(config.threads)
    model = load_model(model_file)
    logits = gives_logits(model, config.model.output)
    noise = check_outputs_for_noise(model, prepared.shape, config.model.output, "the final model")
    heat_maps(model, noise, np.zeros(len(noise), dtype=np.int64))
    check_lock(lock)
    images, labels = open_counted(study_folder, prepared, opening)
    outputs = np.asarray(model.predict(images, batch_size=BATCH, verbose=0), dtype=np.float32)
    probabilities = probabilities_of(outputs, logits=logits)
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    worst = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")[:ERRORS]]
    shown = np.array(images[worst])
    heat = heat_maps(model, shown, predicted[worst]) if len(worst) else None
    errors = WorstErrors(shown, labels[worst], predicted[worst], probabilities[worst, predicted[worst]], heat)
    return Answers(probabilities, labels, errors)
