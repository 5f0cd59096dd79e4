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
"""What the final model says of the test images: `outputs` float32 (m, classes), `labels` int64 (m,)."""
PICTURES = "pictures"

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=_STRICT)
class FinalistResult:
    """How a finalist did.

    Attributes:
        search_score: objective in the search.
        scores: objective of each round, in order.
        mean, deviation: over rounds; None without enough of them.
        best_share: bootstrap P(best) among those that stayed in to the end; 0 for one that was dropped.
        dropped: why it left the comparison, "" where it did not.
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
        key: of all that decides its weights; an equal one needs no second training and no second look at the test set.
        config: with the seed and the number of epochs that it was trained with.
        learning_rates: of its epochs.
        images: it was trained on.
        loss: training loss of the last epoch.
        weights_digest: as in a trial's record.
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
    """How a class fared on the test set."""

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
    """What the test set says of the final model.

    Attributes:
        low, high: 95 % Wilson interval of the accuracy.
        loss: mean cross-entropy, natural logarithm.
        confusion: rows are true classes.
        calibration_error: expected calibration error over `bins`.
        search_gap: search score of the winner minus the test's value of the objective; for a loss the other way round,
            so that more than 0 means that the search was too optimistic.
        repeats_gap: the same for the mean over rounds; None without rounds.
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
    """Where the model is registered in MLflow."""

    store: str
    name: str
    version: str
    alias: str


@dataclass(frozen=True, config=_STRICT)
class FinalResult:
    """Everything that `finalize` has found.

    Attributes:
        verdict: see `sweep.analysis.finalists.Judgement`.
        tied: trials that the rounds cannot tell apart; the winner alone where it is separated.
        winner: whose configuration was trained at the end.
        folds: of the rounds' cross-validation; None for fresh splits.
        openings: how often the test set was opened, this time included.
        environment: versions, platform, flags, as in a trial's record.
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
    """Write `final.json` atomically.

    Raises:
        DiskError: it cannot be written.
    """
    folder = final_folder(study_folder)
    with disk_errors(folder / RESULT_FILE):
        folder.mkdir(parents=True, exist_ok=True)
    write_result(folder, result)


def write_result(folder: Path, result: FinalResult) -> None:
    """The same in a folder that is there."""
    write_atomically(folder / RESULT_FILE, _FINAL.dump_json(result, indent=2).decode() + "\n")


def read_final(study_folder: Path) -> FinalResult | None:
    """The final result; None where the study has none.

    Raises:
        RecordError: the file is there and cannot be read.
    """
    return read_result(final_folder(study_folder))


def read_result(folder: Path) -> FinalResult | None:
    """The same of any folder."""
    path = folder / RESULT_FILE
    if not path.exists():
        return None
    return read_json(_FINAL, path, RecordError, "a final result", "Remove it and finalize again.")
