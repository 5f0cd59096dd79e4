"""One MLflow run: knows what the store holds of it and writes only what is missing."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag

from sweep.tracking.run_entry import DatasetEntry, Files, MetricPoint, RunEntry, RunStatus

FILES_PREFIX = "sweep.files."
"""With the name of a group of artifacts: the tag with the digest of those that the run holds; written after them."""
MODEL_TAG = "sweep.model"
"""Digest of the model that was logged for the run; written after it."""

_log = logging.getLogger("sweep.tracking")


class MlflowRun:
    """One run. The store is read once, at the first need; after that the memory of what was written counts.

    An exception out of `write` leaves that memory in doubt: throw the object away and read the run again.
    """

    def __init__(self, client: MlflowClient, run: Run) -> None:
        self._client = client
        self.id: str = run.info.run_id
        self.name: str | None = run.info.run_name
        self.tags: dict[str, str] = dict(run.data.tags)
        self.metrics: dict[str, float] = dict(run.data.metrics)
        self.status: str = run.info.status
        self.ended: int | None = run.info.end_time
        self._params: dict[str, str] = dict(run.data.params)
        self._warned: set[str] = set()
        self._datasets = {(d.dataset.name, d.dataset.digest) for d in (run.inputs.dataset_inputs if run.inputs else [])}
        self._points: set[tuple[str, int, str]] | None = None

    def write(self, entry: RunEntry) -> bool:
        """Add what the run does not hold yet; the artifacts last, as they are what most often cannot be written.

        Returns:
            False when nothing was missing.
        """
        wrote = [
            self._write_values(entry),
            self._write_dataset(entry.dataset),
            self._write_status(entry.status, entry.ended),
            self._write_name(entry.name),
            *(self._write_files(files) for files in entry.files),
        ]
        return any(wrote)

    def add(self, points: Sequence[MetricPoint], files: Sequence[Files]) -> bool:
        """Add artifacts, and the metrics that were worked out from the same, to those of the entry.

        Returns:
            False when nothing was missing.
        """
        if all(self._holds(group) for group in files):
            return False
        missing = self._missing_points(points)
        if missing:
            self._client.log_batch(self.id, [Metric(p.key, p.value, p.timestamp, p.step) for p in missing])
            self._remember_points(missing)
        return any([bool(missing), *(self._write_files(group) for group in files)])

    def forget_points(self) -> None:
        """Give the memory of the history back; where it is needed again it is read from the store."""
        self._points = None

    def mark(self, tag: str, value: str) -> None:
        """Set a tag that is not part of an entry."""
        self._client.set_tag(self.id, tag, value)
        self.tags[tag] = value

    def _write_values(self, entry: RunEntry) -> bool:
        params = self._missing_params(entry.params)
        tags = [RunTag(key, value) for key, value in entry.tags.items() if self.tags.get(key) != value]
        stale = self._remove_stale_tags(entry.tags)
        proved = any(self._holds(files) for files in entry.files if files.name == entry.proof)
        points = [] if proved else self._missing_points(entry.points)
        metrics = [Metric(p.key, p.value, p.timestamp, p.step) for p in points]
        if not (params or tags or metrics):
            return stale
        # The client cuts this into batches that a server takes (1,000 metrics, 100 params, 100 tags).
        self._client.log_batch(self.id, metrics, params, tags)
        self._remember(entry, points)
        return True

    def _remove_stale_tags(self, tags: Mapping[str, str]) -> bool:
        """A reason that no longer holds, a parameter that the new best trial has not; written tags would be shown."""
        kept = (FILES_PREFIX, MODEL_TAG)
        stale = [key for key in self.tags if key.startswith("sweep.") and not key.startswith(kept) and key not in tags]
        for key in stale:
            self._client.delete_tag(self.id, key)
            del self.tags[key]
        return bool(stale)

    def _missing_params(self, params: Mapping[str, str]) -> list[Param]:
        """MLflow never lets a param change; another value means another study of this name, or an edited record."""
        for key in params.keys() & self._params.keys() - self._warned:
            if params[key] != self._params[key]:
                self._warned.add(key)
                _log.warning(
                    "MLflow run %s holds %s = %s, the trial's record says %s: left as it is. "
                    "Was the record edited, or is the study's folder a copy of another one that went on?",
                    self.id,
                    key,
                    self._params[key],
                    params[key],
                )
        return [Param(key, value) for key, value in params.items() if key not in self._params]

    def _missing_points(self, points: Sequence[MetricPoint]) -> list[MetricPoint]:
        held = self._held_points() if points else set()
        return [point for point in points if _identity(point) not in held]

    def _held_points(self) -> set[tuple[str, int, str]]:
        """A metric without a newest value has no history either, so a new run is not asked at all."""
        if self._points is None:
            self._points = {
                _identity(MetricPoint(key, metric.value, metric.timestamp, metric.step))
                for key in sorted(self.metrics)
                for metric in self._client.get_metric_history(self.id, key)
            }
        return self._points

    def _remember(self, entry: RunEntry, points: Iterable[MetricPoint]) -> None:
        self.tags.update(entry.tags)
        self._params = {**entry.params, **self._params}
        self._remember_points(points)

    def _remember_points(self, points: Iterable[MetricPoint]) -> None:
        for point in points:
            self.metrics[point.key] = point.value
            self._held_points().add(_identity(point))

    def _write_dataset(self, dataset: DatasetEntry | None) -> bool:
        if dataset is None or (dataset.name, dataset.digest) in self._datasets:
            return False
        entity = Dataset(
            dataset.name, dataset.digest, dataset.source_type, dataset.source, dataset.schema, dataset.profile
        )
        context = InputTag("mlflow.data.context", "training")
        self._client.log_inputs(self.id, datasets=[DatasetInput(entity, [context])])
        self._datasets.add((dataset.name, dataset.digest))
        return True

    def _write_status(self, status: RunStatus, ended: int | None) -> bool:
        if status == self.status and (status == "RUNNING" or ended == self.ended):
            return False
        if status == "RUNNING":
            self._client.update_run(self.id, status=status)
        else:
            self._client.set_terminated(self.id, status=status, end_time=ended)
        self.status, self.ended = status, ended
        return True

    def _write_name(self, name: str) -> bool:
        if name == self.name:
            return False
        self._client.update_run(self.id, name=name)
        self.name = name
        return True

    def _write_files(self, files: Files) -> bool:
        if self._holds(files):
            return False
        with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
            files.write(Path(folder))
            self._client.log_artifacts(self.id, folder)
        self.mark(FILES_PREFIX + files.name, files.digest)
        return True

    def _holds(self, files: Files) -> bool:
        return self.tags.get(FILES_PREFIX + files.name) == files.digest


def _identity(point: MetricPoint) -> tuple[str, int, str]:
    """Key, step and value. Without the time, which may differ after a resume, and up to the last digits, which a
    database may round."""
    return point.key, point.step, format(point.value, ".12g")
