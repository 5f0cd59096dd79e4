"""The contents of a trial's run, computed from its record alone. Does not import mlflow.

Every number and time depends only on the record, so writing a run twice, or rebuilding it, gives the same run.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from sweep.records.image_facts import DataStamp
from sweep.records.trial_record import TrialRecord, TrialState
from sweep.space.config import Objective
from sweep.space.fields import Value

# Limits of MLflow 3, from its mlflow/utils/validation.py.
MAX_KEY = 250
MAX_PARAM = 6000
MAX_TAG = 8000
MAX_DIGEST = 36

RunStatus: TypeAlias = Literal["RUNNING", "FINISHED", "KILLED", "FAILED"]
STATUS: dict[TrialState, RunStatus] = {
    "running": "RUNNING",
    "interrupted": "KILLED",
    "complete": "FINISHED",
    "pruned": "KILLED",
    "failed": "FAILED",
}

EPOCH_METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
_RANKED: tuple[TrialState, ...] = ("complete", "pruned")
_ENDED: tuple[TrialState, ...] = ("complete", "pruned", "failed")


class MetricPoint(NamedTuple):
    """One value of a metric; `timestamp` in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int


class DatasetEntry(NamedTuple):
    """The images as an MLflow dataset; `source`, `schema` and `profile` are JSON."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str
    profile: str


@dataclass(frozen=True)
class Files:
    """A group of artifacts of a run that change together.

    Attributes:
        name: the group's name, unique in the run.
        digest: equal digests mean equal files.
        write: writes the files into an empty folder.
    """

    name: str
    digest: str
    write: Callable[[Path], object]


@dataclass(frozen=True)
class RunEntry:
    """The complete contents of one run.

    Attributes:
        ended: the end of the run in milliseconds since 1970; None while it is running.
        tags: the tags to set; if the run has other tags that start with `sweep.`, they are removed.
        proof: name of the group of files whose digest also covers the points; "" if there is none. Files are written
            after the points, so a run that has this group with this digest has all points; MLflow is not asked.
    """

    name: str
    tags: Mapping[str, str]
    points: tuple[MetricPoint, ...]
    status: RunStatus
    ended: int | None
    params: Mapping[str, str] = field(default_factory=dict)
    dataset: DatasetEntry | None = None
    files: tuple[Files, ...] = ()
    proof: str = ""


def milliseconds(moment: str, seconds: float = 0.0) -> int:
    """Convert ISO 8601 to milliseconds since 1970 and add `seconds`."""
    return round((datetime.fromisoformat(moment) + timedelta(seconds=seconds)).timestamp() * 1000)


def ended_at(record: TrialRecord) -> int | None:
    """Return the recorded end of a trial, or else the end of its last epoch; None while it runs."""
    if record.state == "running":
        return None
    if record.finished is not None:
        return milliseconds(record.finished)
    return milliseconds(record.started, sum(metrics.seconds for metrics in record.epochs))


def trial_name(record: TrialRecord) -> str:
    """Return the number and the outcome: `0007 0.913`, `0012 pruned@8`, `0003 failed nan`, `0005 running`."""
    outcome: str = record.state
    if record.state == "complete" and record.objective_value is not None:
        outcome = objective_text(record.objective_value, record.config.objective)
    elif record.state == "pruned":
        outcome = f"pruned@{len(record.epochs)}"
    elif record.state == "failed":
        outcome = shorten(f"failed {record.reason}".strip(), 60)
    return f"{record.number:04d} {outcome}"


def objective_text(value: float, objective: Objective) -> str:
    """Format an accuracy with three decimals, and a loss, which has no fixed scale, with four digits."""
    return f"{value:.3f}" if objective == "val_accuracy" else f"{value:.4g}"


def trial_entry(record: TrialRecord, parent: str, study_id: str, files: tuple[Files, ...] = ()) -> RunEntry:
    """Return the contents of a trial's run.

    Args:
        record: the trial in any state.
        parent: MLflow's id of the study's run.
        study_id: the study's own id.
        files: artifacts; they are added only if the trial has ended and cannot be resumed.
    """
    tags = {"sweep.state": record.state, "sweep.seed": str(record.config.seed)}
    if record.reason:
        tags["sweep.reason"] = shorten(record.reason, MAX_TAG)
    if record.diagnosis:
        tags["sweep.diagnosis"] = shorten("; ".join(map(str, record.diagnosis)), MAX_TAG)
    return RunEntry(
        name=trial_name(record),
        params=trial_params(record),
        tags={**trial_identity(record, parent, study_id), **tags},
        points=trial_points(record),
        status=STATUS[record.state],
        ended=ended_at(record),
        dataset=dataset_entry(record),
        files=files if record.state in _ENDED else (),
        proof="record",
    )


def trial_identity(record: TrialRecord, parent: str, study_id: str) -> dict[str, str]:
    """Return the tags that identify a trial's run; they never change."""
    return {
        "mlflow.parentRunId": parent,
        "sweep.kind": "trial",
        "sweep.study": record.study,
        "sweep.study_id": study_id,
        "sweep.trial": str(record.number),
    }


def trial_params(record: TrialRecord) -> dict[str, str]:
    """Return the sampled values as texts, by name."""
    return {clean_key(name): shorten(_text(value), MAX_PARAM) for name, value in record.values.items()}


def clean_key(name: str) -> str:
    """Replace characters that MLflow does not accept: a single such character makes it refuse the whole batch."""
    return re.sub(r"[^\w./: -]", "_", name)[:MAX_KEY]


def _text(value: Value) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def shorten(text: str, limit: int) -> str:
    """Cut the text to at most `limit` characters and mark the cut with `…`."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def trial_points(record: TrialRecord) -> tuple[MetricPoint, ...]:
    """Return all metrics of a trial.

    `objective` and `best_epoch` are added once the trial is complete or pruned: before that they still change, and a
    failed trial is not ranked.
    """
    elapsed = accumulate(metrics.seconds for metrics in record.epochs)
    times = [milliseconds(record.started, seconds) for seconds in elapsed]
    points = [
        MetricPoint(key, getattr(metrics, key), time, metrics.epoch)
        for metrics, time in zip(record.epochs, times, strict=True)
        for key in EPOCH_METRICS
    ]
    if record.parameters is not None:
        points.append(MetricPoint("parameters", float(record.parameters), milliseconds(record.started), 0))
    if record.state in _RANKED and record.best_epoch is not None and record.objective_value is not None:
        time = ended_at(record) or 0
        points.append(MetricPoint("objective", record.objective_value, time, record.best_epoch))
        points.append(MetricPoint("best_epoch", float(record.best_epoch), time, record.best_epoch))
    return tuple(point for point in points if math.isfinite(point.value))


def dataset_entry(record: TrialRecord) -> DatasetEntry:
    """Describe a trial's images from its record; no image is read."""
    name, stamp = record.config.data.name, record.data
    local = "/" in name or "\\" in name or name.endswith(".npz")
    counts = {"train": stamp.train, "validation": stamp.validation}
    return DatasetEntry(
        name=Path(name).name if local else name,
        digest=stamp.digest[:MAX_DIGEST],
        source_type="local" if local else "code",
        source=json.dumps({"uri": name} if local else {"tags": {"sweep.data": name}}),
        schema=_schema(stamp),
        profile=json.dumps({**counts, "classes": stamp.classes, "split": stamp.split}),
    )


def _schema(stamp: DataStamp) -> str:
    """Return the JSON of mlflow.data.schema.TensorDatasetSchema, which the user interface shows as a table."""
    features = [{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, *stamp.shape]}}]
    targets = [{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]
    return json.dumps({"mlflow_tensorspec": {"features": json.dumps(features), "targets": json.dumps(targets)}})
