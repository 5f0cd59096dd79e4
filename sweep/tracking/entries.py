"""What a run of the tracking store shall hold, worked out from records alone. Pure values, no mlflow.

Every number and time here is a function of the records, so that writing twice, or rebuilding from the records,
arrives at the same run.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from sweep.data.stamp import DataStamp
from sweep.space.config import Value, direction_of
from sweep.study.records import TrialRecord, TrialState
from sweep.tracking.tracker import CloseState, StudyInfo

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
CLOSED: dict[CloseState, RunStatus] = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}

EPOCH_METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
_RANKED: tuple[TrialState, ...] = ("complete", "pruned")
_ENDED: tuple[TrialState, ...] = ("complete", "pruned", "failed")


class Point(NamedTuple):
    """One value of a metric; `timestamp` in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int


@dataclass(frozen=True)
class DatasetEntry:
    """The images as MLflow shows them; `source`, `schema` and `profile` are JSON."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str
    profile: str


@dataclass(frozen=True)
class Files:
    """Artifacts of a run: `write` puts them into an empty folder; equal digests mean equal files."""

    digest: str
    write: Callable[[Path], None]


@dataclass(frozen=True)
class RunEntry:
    """Everything that one run shall hold; `ended` in milliseconds since 1970, None while running."""

    tags: Mapping[str, str]
    points: tuple[Point, ...]
    status: RunStatus
    ended: int | None
    params: Mapping[str, str] = field(default_factory=dict)
    dataset: DatasetEntry | None = None
    files: Files | None = None


class Outcome(NamedTuple):
    """What the parent run has to know of a trial."""

    number: int
    state: str
    objective: float | None
    ended: int | None


def milliseconds(moment: str, seconds: float = 0.0) -> int:
    """ISO 8601 to milliseconds since 1970, `seconds` later."""
    return round((datetime.fromisoformat(moment) + timedelta(seconds=seconds)).timestamp() * 1000)


def ended_at(record: TrialRecord) -> int | None:
    """When the trial ended; None while it runs. Where the record does not say, after its last epoch."""
    if record.state == "running":
        return None
    if record.finished is not None:
        return milliseconds(record.finished)
    return milliseconds(record.started, sum(metrics.seconds for metrics in record.epochs))


def trial_entry(record: TrialRecord, parent: str, files: Files | None) -> RunEntry:
    """The run of a trial.

    Args:
        record: at any time of the trial's life.
        parent: MLflow's id of the study's run.
        files: artifacts, used once the trial has ended for good.
    """
    return RunEntry(
        params=trial_params(record),
        tags={**trial_identity(record, parent), **_trial_tags(record)},
        points=trial_points(record),
        status=STATUS[record.state],
        ended=ended_at(record),
        dataset=dataset_entry(record),
        files=files if record.state in _ENDED else None,
    )


def trial_identity(record: TrialRecord, parent: str) -> dict[str, str]:
    """The tags by which a trial's run is found again; they never change."""
    return {
        "mlflow.parentRunId": parent,
        "sweep.kind": "trial",
        "sweep.study": record.study,
        "sweep.trial": str(record.number),
    }


def _trial_tags(record: TrialRecord) -> dict[str, str]:
    return {
        "sweep.state": record.state,
        "sweep.reason": shorten(record.reason, MAX_TAG),
        "sweep.seed": str(record.config.seed),
    }


def trial_params(record: TrialRecord) -> dict[str, str]:
    """Every sampled value under its plain name."""
    return {_key(name): shorten(_text(value), MAX_PARAM) for name, value in record.values.items()}


def _key(name: str) -> str:
    # MLflow takes letters, digits and these signs only, and refuses the whole batch otherwise.
    return re.sub(r"[^\w./: -]", "_", name)[:MAX_KEY]


def _text(value: Value) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, the cut marked."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def trial_points(record: TrialRecord) -> tuple[Point, ...]:
    """All metrics of a trial.

    `objective` and `best_epoch` are written once the trial is complete or pruned: before that they still change, and
    a failed trial has none to be ranked by.
    """
    elapsed = accumulate(metrics.seconds for metrics in record.epochs)
    times = [milliseconds(record.started, seconds) for seconds in elapsed]
    points = [
        Point(key, getattr(metrics, key), time, metrics.epoch)
        for metrics, time in zip(record.epochs, times, strict=True)
        for key in EPOCH_METRICS
    ]
    if record.parameters is not None:
        points.append(Point("parameters", float(record.parameters), milliseconds(record.started), 0))
    if record.state in _RANKED and record.best_epoch is not None and record.objective_value is not None:
        time = ended_at(record) or 0
        points.append(Point("objective", record.objective_value, time, record.best_epoch))
        points.append(Point("best_epoch", float(record.best_epoch), time, record.best_epoch))
    return tuple(point for point in points if math.isfinite(point.value))


def dataset_entry(record: TrialRecord) -> DatasetEntry:
    """The images of a trial from its stamp; no image is opened."""
    name, stamp = record.config.data.name, record.data
    local = "/" in name or "\\" in name or name.endswith(".npz")
    return DatasetEntry(
        name=Path(name).name if local else name,
        digest=stamp.digest[:MAX_DIGEST],
        source_type="local" if local else "code",
        source=json.dumps({"uri": name} if local else {"tags": {"sweep.data": name}}),
        schema=_schema(stamp),
        profile=json.dumps(
            {
                "train": stamp.train,
                "validation": stamp.validation,
                "classes": list(stamp.classes),
                "split": stamp.split,
            }
        ),
    )


def _schema(stamp: DataStamp) -> str:
    """In the form of mlflow.data.schema.TensorDatasetSchema, which the user interface draws as a table."""
    features = [{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, *stamp.shape]}}]
    targets = [{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]
    return json.dumps({"mlflow_tensorspec": {"features": json.dumps(features), "targets": json.dumps(targets)}})


def trial_outcome(record: TrialRecord) -> Outcome:
    """What the parent run has to know of the trial."""
    objective = record.objective_value if record.state in _RANKED else None
    return Outcome(record.number, record.state, objective, ended_at(record))


def study_identity(info: StudyInfo) -> dict[str, str]:
    """The tags by which a study's run is found again."""
    return {"sweep.kind": "study", "sweep.study": info.name}


def study_entry(info: StudyInfo, outcomes: Iterable[Outcome], status: RunStatus, ended: int | None) -> RunEntry:
    """The study's own run."""
    known = sorted(outcomes)
    return RunEntry(
        tags={**study_identity(info), **_study_tags(info, known)},
        points=_best_so_far(info, known),
        status=status,
        ended=ended,
        files=Files(text_digest(info.space), lambda folder: _write_text(folder / "space.yaml", info.space)),
    )


def _study_tags(info: StudyInfo, outcomes: list[Outcome]) -> dict[str, str]:
    states = [outcome.state for outcome in outcomes]
    ranked = _ranked(info, outcomes)
    return {
        "sweep.objective": info.objective,
        "sweep.folder": shorten(str(info.folder), MAX_TAG),
        "sweep.trials": str(len(states)),
        **{f"sweep.trials.{state}": str(states.count(state)) for state in STATUS},
        "sweep.best_trial": str(ranked[0].number) if ranked else "",
    }


def _ranked(info: StudyInfo, outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Best first, the lower number first of equals."""
    sign = -1.0 if direction_of(info.objective) == "maximize" else 1.0
    usable = (o for o in outcomes if o.objective is not None and math.isfinite(o.objective))
    return sorted(usable, key=lambda o: (sign * (o.objective or 0.0), o.number))


def _best_so_far(info: StudyInfo, outcomes: list[Outcome]) -> tuple[Point, ...]:
    """`best_objective` after the first, second, … trial that ended with an objective.

    A point for each of them, not for improvements only: MLflow shows the value of the highest step as the newest.
    """
    ended = sorted(_ranked(info, outcomes), key=lambda o: (o.ended or 0, o.number))
    choose = max if direction_of(info.objective) == "maximize" else min
    best = accumulate((o.objective or 0.0 for o in ended), choose)
    return tuple(
        Point("best_objective", value, outcome.ended or 0, step)
        for step, (outcome, value) in enumerate(zip(ended, best, strict=True), start=1)
    )


def records_status(records: Iterable[TrialRecord]) -> RunStatus:
    """How a study stands, told from its records alone."""
    states = {record.state for record in records}
    if "running" in states:
        return "RUNNING"
    if "interrupted" in states:
        return "KILLED"
    return "FAILED" if states == {"failed"} else "FINISHED"


def text_digest(text: str) -> str:
    """sha256, enough of it to tell two versions of a file apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
