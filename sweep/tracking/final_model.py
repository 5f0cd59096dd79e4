"""What MLflow receives of a study's final model, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sweep.records.trial_record import TrialRecord

ALIAS = "champion"


@dataclass(frozen=True, eq=False)
class FinalModel:
    """What MLflow gets of a final model.

    Attributes:
        record: of the winner, with the configuration, images and environment of the final training.
        key: of the training: equal keys are the same model.
        model_file: a .keras file.
        card: the model card, Markdown.
        metrics: of the test set.
        files: folder whose files become artifacts of the run.
        names: those files, relative to the folder.
        example: uint8 (1, h, w, c), a training image.
    """

    record: TrialRecord
    key: str
    model_file: Path
    card: str
    metrics: Mapping[str, float]
    files: Path
    names: tuple[str, ...]
    example: npt.NDArray[np.uint8]
