"""The trial record `trial.json`: everything needed to show, judge and rerun the trial.

The file is written atomically after every epoch, because other processes can read it at any time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from sweep.errors import FailureCause, RecordError
from sweep.records.atomic_writing import atomic_write
from sweep.records.curve_findings import CurveFinding, judge_curves
from sweep.records.image_facts import DataStamp
from sweep.records.json_files import parse_json, read_json
from sweep.records.trial_result import EpochMetrics
from sweep.space.config import TrialConfig

RECORD_FILE = "trial.json"
FORMAT: Literal[1] = 1
_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

TrialState = Literal["running", "interrupted", "complete", "pruned", "failed"]
"""`interrupted` trials were stopped with their supervisor; the next run resumes them."""


@dataclass(frozen=True, config=_STRICT)
class TrialRecord:
    """One trial, running or ended.

    Attributes:
        values: the sampled values, by parameter name.
        reason: why it ended: `all epochs`, `early stopping`, `pruned at epoch 8 …`, a failure cause; "" while running.
        cause: the cause of a failure, also if `search.failures` made the state `pruned`; None without a failure.
        message: details of a failure, with the traceback if there is one.
        objective_value: value of the objective in the best epoch; None before the first epoch and for failed trials.
        epochs: the finished epochs.
        environment: versions, platform, flags and git commit: texts by name.
        started, finished: times, ISO 8601 with offset.
        audited_at: epoch at which the pruner would have stopped an audited trial (`search.pruner.audit`).
        diagnosis: findings about the trial's curves; empty until the trial has ended.
        pruned_at: epoch at which the pruner stopped the trial; recorded with the decision, so that the pruner does
            not judge the trial again if the trial is killed before it ends.
        model_digest: SHA-256 over the parts that the values determine: model, loss, optimizer, augmentation, training.
        same_model_as: number of an earlier trial with other values and the same `model_digest`: the values in
            which the two trials differ have no effect.
        notes: remarks for readers.
        origin: a recipe's file, or `study/number` if `--fork` copied the trial; None if the sampler chose the values.
    """

    study: str
    number: Annotated[int, Ge(0)]
    state: TrialState
    config: TrialConfig
    values: Mapping[str, bool | int | float | str | None]
    data: DataStamp
    environment: Mapping[str, str]
    started: str
    reason: str = ""
    cause: FailureCause | None = None
    message: str = ""
    finished: str | None = None
    epochs: tuple[EpochMetrics, ...] = ()
    best_epoch: int | None = None
    objective_value: float | None = None
    parameters: int | None = None
    weights_digest: str | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    model_file: str | None = None
    diagnosis: tuple[CurveFinding, ...] = ()
    origin: str | None = None
    audited_at: int | None = None
    pruned_at: int | None = None
    model_digest: str | None = None
    same_model_as: int | None = None
    notes: tuple[str, ...] = ()
    format: Literal[1] = FORMAT


_RECORD = TypeAdapter(TrialRecord)
_EXPECTED = f"a trial record of format {FORMAT}"
_ADVICE = "The next `sweep run` of the study restores it."


def diagnosed(record: TrialRecord) -> TrialRecord:
    """Return the record with the findings about its curves."""
    found = judge_curves(record.epochs, len(record.data.classes), record.data.validation)
    return dataclasses.replace(record, diagnosis=found)


def has_ended(record: TrialRecord) -> bool:
    """True unless the trial is running, or interrupted and will be resumed."""
    return record.state not in ("running", "interrupted")


def as_interrupted(record: TrialRecord) -> TrialRecord:
    """Return the record with `interrupted` instead of `running`, for a study that no process runs."""
    if record.state != "running":
        return record
    return dataclasses.replace(record, state="interrupted", reason="interrupted")


def time_text() -> str:
    """Return the current time for `started` and `finished`: ISO 8601 with milliseconds, in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def trial_folder(study_folder: Path, number: int) -> Path:
    """`studies/NAME/trials/0007`."""
    return study_folder / "trials" / f"{number:04d}"


def record_to_mapping(record: TrialRecord) -> dict[str, Any]:
    """The record as JSON values."""
    mapping: dict[str, Any] = _RECORD.dump_python(record, mode="json")
    return mapping


def record_to_json(record: TrialRecord) -> str:
    """The text of `trial.json`."""
    return _RECORD.dump_json(record, indent=2).decode() + "\n"


def record_from_json(text: str | bytes, source: str) -> TrialRecord:
    """Parse the text of `trial.json`; raises RecordError, which names `source`, for any other text."""
    return parse_json(_RECORD, text, source, RecordError, _EXPECTED, _ADVICE)


def write_record(folder: Path, record: TrialRecord, durable: bool = True) -> None:
    """Write `folder/trial.json` atomically; for `durable` see `atomic_write`.

    Creates the folder and `trials` above it, but not the study's folder: a study that was removed must not come back.
    """
    folder.parent.mkdir(exist_ok=True)
    folder.mkdir(exist_ok=True)
    with atomic_write(folder / RECORD_FILE, durable) as part:
        part.write_text(record_to_json(record), encoding="utf-8")


def read_record(folder: Path) -> TrialRecord:
    """Read `folder/trial.json`; raises RecordError if it is missing, unreadable or not a record."""
    return read_json(_RECORD, folder / RECORD_FILE, RecordError, _EXPECTED, _ADVICE)
