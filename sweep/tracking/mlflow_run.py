"""One MLflow run: knows what the store holds and writes only what is missing."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag

from sweep.tracking.run_entry import DatasetEntry, Files, MetricPoint, RunEntry, RunStatus

FILES_PREFIX = "sweep.files."
"""Prefix of the tags with the digests of the run's groups of artifacts; each tag is set after its group is written."""
MODEL_TAG = "sweep.model"
"""Tag with the digest of the run's logged model; set after the model is written."""

_log = logging.getLogger("sweep.tracking")


class MlflowRun:
    """One run. It is read from the store once; after that the object remembers what it has written.

    After an exception it is unknown what was written: discard the object and read the run again.
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
        """Add what the run does not hold yet. Artifacts are written last, because they fail most often.

        Returns:
            False if nothing was missing.
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
        """Add artifacts that are not part of an entry, and the metrics computed with them.

        Returns:
            False if nothing was missing.
        """
        if all(self._holds(group) for group in files):
            return False
        missing = self._missing_points(points)
        if missing:
            self._client.log_batch(self.id, [Metric(*point) for point in missing])
            self._remember_points(missing)
        return any([bool(missing), *(self._write_files(group) for group in files)])

    def forget_points(self) -> None:
        """Free the remembered metrics; if they are needed again, they are read from the store."""
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
        if not (params or tags or points):
            return stale
        # The client splits this into batches that a server accepts (1,000 metrics, 100 params, 100 tags).
        self._client.log_batch(self.id, [Metric(*point) for point in points], params, tags)
        self.tags.update(entry.tags)
        self._params = {**entry.params, **self._params}
        self._remember_points(points)
        return True

    def _remove_stale_tags(self, tags: Mapping[str, str]) -> bool:
        """Remove outdated tags, such as an old reason, or a parameter that the new best trial does not have."""
        kept = (FILES_PREFIX, MODEL_TAG)
        stale = [key for key in self.tags if key.startswith("sweep.") and not key.startswith(kept) and key not in tags]
        for key in stale:
            self._client.delete_tag(self.id, key)
            del self.tags[key]
        return bool(stale)

    def _missing_params(self, params: Mapping[str, str]) -> list[Param]:
        """Return the missing params. Warn about params with another value, because MLflow cannot change a param."""
        for key in params.keys() & self._params.keys() - self._warned:
            if params[key] != self._params[key]:
                self._warned.add(key)
                _log.warning(
                    "MLflow run %s holds %s = %s, but the trial's record has %s. MLflow keeps its value. "
                    "Was the record edited, or is the study's folder a copy of a folder that has changed since?",
                    self.id,
                    key,
                    self._params[key],
                    params[key],
                )
        return [Param(key, value) for key, value in params.items() if key not in self._params]

    def _missing_points(self, points: Sequence[MetricPoint]) -> list[MetricPoint]:
        return [point for point in points if _identity(point) not in self._held_points()]

    def _held_points(self) -> set[tuple[str, int, str]]:
        """Return the stored points. The first call reads them with one request per metric: none for a new run."""
        if self._points is None:
            self._points = {
                _identity(MetricPoint(key, metric.value, metric.timestamp, metric.step))
                for key in sorted(self.metrics)
                for metric in self._client.get_metric_history(self.id, key)
            }
        return self._points

    def _remember_points(self, points: Iterable[MetricPoint]) -> None:
        for point in points:
            self.metrics[point.key] = point.value
            self._held_points().add(_identity(point))

    def _write_dataset(self, dataset: DatasetEntry | None) -> bool:
        if dataset is None or (dataset.name, dataset.digest) in self._datasets:
            return False
        context = InputTag("mlflow.data.context", "training")
        self._client.log_inputs(self.id, datasets=[DatasetInput(Dataset(*dataset), [context])])
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
    """Return key, step and 12 digits of the value, as databases round it; not the time, which a resume may change."""
    return point.key, point.step, format(point.value, ".12g")
