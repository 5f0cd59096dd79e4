"""The final result of a study, `studies/NAME/final/final.json`, and where its files are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from sweep.errors import RecordError
from sweep.records.atomic_writing import write_atomically
from sweep.records.disk import disk_errors
from sweep.records.image_facts import DataStamp
from sweep.records.json_files import read_json
from sweep.space.config import Objective, TrialConfig

FINAL = "final"
RESULT_FILE, MODEL_FILE, CARD_FILE, PAGE_FILE = "final.json", "model.keras", "model_card.md", "final.html"
ANSWERS_FILE = "test.npz"
"""The final model's predictions for the test images: `outputs` float32 (m, classes), `labels` int64 (m,)."""
PICTURES = "pictures"

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=_STRICT)
class FinalistResult:
    """The result of a finalist.

    Attributes:
        search_score: value of the objective in the search.
        scores: value of the objective in each round, in order.
        mean, deviation: mean and standard deviation of `scores`; None if there are too few rounds.
        best_share: bootstrap probability of being the best of the finalists that were not dropped; 0 if dropped.
        dropped: why the finalist was dropped from the comparison; "" if it was not.
    """

    trial: int
    parameters: int
    search_score: float
    scores: tuple[float, ...]
    mean: float | None
    deviation: float | None
    best_share: float
    dropped: str = ""


@dataclass(frozen=True, config=_STRICT)
class TrainedFinal:
    """The model that was trained on all images of the search.

    Attributes:
        key: digest of everything that decides its weights; a model with the same key is not trained or tested again.
        config: its configuration, with the seed and the number of epochs of this training.
        learning_rates: learning rate of each epoch.
        images: number of training images.
        loss: training loss of the last epoch.
        weights_digest: as in a trial record.
    """

    key: str
    trial: int
    config: TrialConfig
    data: DataStamp
    learning_rates: tuple[float, ...]
    images: int
    parameters: int
    loss: float
    seconds: float
    weights_digest: str


@dataclass(frozen=True, config=_STRICT)
class ClassTest:
    """The result of a class on the test set."""

    name: str
    images: int
    correct: int
    accuracy: float | None
    low: float | None
    high: float | None
    confused: str | None


@dataclass(frozen=True, config=_STRICT)
class CalibrationBin:
    """A bin of the reliability diagram."""

    low: float
    high: float
    images: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, config=_STRICT)
class TestResult:
    """The result of the final model on the test set.

    Attributes:
        low, high: limits of the 95 % Wilson interval of the accuracy.
        loss: mean cross-entropy (natural logarithm).
        confusion: number of images by true class (rows) and predicted class (columns).
        calibration_error: expected calibration error over `bins`.
        search_gap: search score of the winner minus the objective on the test set; for a loss, this difference with the
            opposite sign. A positive gap always means that the search was too optimistic.
        repeats_gap: the same gap for the mean over the rounds instead of the search score; None without rounds.
    """

    images: int
    correct: int
    accuracy: float
    low: float
    high: float
    loss: float
    classes: tuple[ClassTest, ...]
    confusion: tuple[tuple[int, ...], ...]
    calibration_error: float
    confidence: float
    bins: tuple[CalibrationBin, ...]
    search_gap: float
    repeats_gap: float | None


@dataclass(frozen=True, config=_STRICT)
class Registration:
    """The model's registration in MLflow."""

    store: str
    name: str
    version: str
    alias: str


@dataclass(frozen=True, config=_STRICT)
class FinalResult:
    """The result of `finalize`.

    Attributes:
        verdict: see `sweep.analysis.finalists.Judgement`.
        tied: trials that the rounds cannot distinguish; only the winner if the verdict is `separated`.
        winner: the trial whose configuration was used for the final model.
        folds: number of folds if the rounds are a cross-validation; None if every round has a new random split.
        openings: number of openings of the test set, including this one.
        environment: versions, platform, flags, as in a trial record.
    """

    study: str
    objective: Objective
    finished: str
    seconds: float
    verdict: Literal["separated", "tie", "alone", "not repeated"]
    winner: int
    tied: tuple[int, ...]
    rounds: int
    folds: int | None
    finalists: tuple[FinalistResult, ...]
    trained: TrainedFinal
    test: TestResult
    openings: int
    environment: Mapping[str, str]
    registered: Registration | None = None
    format: Literal[1] = 1


_FINAL = TypeAdapter(FinalResult)


def final_folder(study_folder: Path) -> Path:
    """`studies/NAME/final`."""
    return study_folder / FINAL


def write_final(study_folder: Path, result: FinalResult) -> None:
    """Write the `final.json` of a study; raises DiskError if that fails."""
    write_result(final_folder(study_folder), result)


def write_result(folder: Path, result: FinalResult) -> None:
    """Write `folder/final.json` atomically; make the folder, but not its parent. Raises DiskError if that fails."""
    with disk_errors(folder / RESULT_FILE):
        folder.mkdir(exist_ok=True)
    write_atomically(folder / RESULT_FILE, _FINAL.dump_json(result, indent=2).decode() + "\n")


def read_final(study_folder: Path) -> FinalResult | None:
    """Read the `final.json` of a study; see `read_result`."""
    return read_result(final_folder(study_folder))


def read_result(folder: Path) -> FinalResult | None:
    """Read `folder/final.json`; None if it does not exist. Raises RecordError if it cannot be read."""
    path = folder / RESULT_FILE
    if not path.exists():
        return None
    return read_json(_FINAL, path, RecordError, "a final result", "Remove it and finalize again.")
