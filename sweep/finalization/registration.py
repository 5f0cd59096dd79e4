"""Register the final model in MLflow."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from sweep.data.loading import load_whole
from sweep.finalization.final_training import FinalTraining
from sweep.records.final_result import (
    CARD_FILE,
    MODEL_FILE,
    PAGE_FILE,
    PICTURES,
    RESULT_FILE,
    FinalResult,
    Registration,
    final_folder,
)
from sweep.records.home import Home
from sweep.records.study_id import study_id
from sweep.tracking.open_mlflow import register_model
from sweep.tracking.tracker import FinalModel, StudyInfo


def register_final_model(
    result: FinalResult, plan: FinalTraining, study_folder: Path, home: Home, uri: str | None
) -> Registration:
    """Register the model under the study's name, with the alias `champion`.

    Raises:
        TrackingError: the store cannot be reached, or refuses the model.
    """
    folder, test = final_folder(study_folder), result.test
    pictures = sorted(f"{PICTURES}/{path.name}" for path in (folder / PICTURES).glob("*.png"))
    record = dataclasses.replace(
        plan.record,
        config=result.trained.config,
        data=result.trained.data,
        environment=result.environment,
        finished=result.finished,
    )
    final_model = FinalModel(
        record=record,
        key=result.trained.key,
        model_file=folder / MODEL_FILE,
        card=(folder / CARD_FILE).read_text(encoding="utf-8"),
        metrics={
            "test_accuracy": test.accuracy,
            "test_accuracy_low": test.low,
            "test_accuracy_high": test.high,
            "test_loss": test.loss,
            "test_calibration_error": test.calibration_error,
            "search_gap": test.search_gap,
            "test_openings": float(result.openings),
        },
        files=folder,
        names=(RESULT_FILE, CARD_FILE, PAGE_FILE, *pictures),
        example=load_whole(plan.prepared, plan.config.data).train.batch(np.array([0], dtype=np.int64)),
    )
    info = StudyInfo(result.study, study_id(study_folder), "", result.objective, study_folder)
    return register_model(info, final_model, uri, home.root)
