"""A study in MLflow: an experiment with one run for the study and, below that run, one run per trial.

Importing this module imports mlflow (2 s), so `sweep.tracking.open_mlflow` imports it only when it is needed.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

from mlflow import MlflowClient
from mlflow.entities import Metric, Run

from sweep.records.trial_record import TrialRecord, read_record, trial_folder
from sweep.tracking.logged_model import open_logged_model, write_model
from sweep.tracking.mlflow_run import MODEL_TAG, MlflowRun
from sweep.tracking.mlflow_store import find_run, make_client, search_runs
from sweep.tracking.run_entry import RunStatus, milliseconds, trial_entry, trial_identity, trial_name, trial_points
from sweep.tracking.run_files import evaluation_files, report_files, study_files, trial_files
from sweep.tracking.store_address import Address
from sweep.tracking.study_entry import CLOSED, TrialOutcome, study_entry, study_identity, trial_outcome
from sweep.tracking.tracker import StudyInfo

_STUDY = "tags.`sweep.kind` = 'study'"
_TRIAL = "tags.`sweep.kind` = 'trial'"
Change: TypeAlias = Literal["created", "updated", "unchanged"]


class MlflowStudy:
    """One study in MLflow. Every method writes only what is missing in the store; none of them is thread-safe.

    The constructor reads the existing runs; deleted runs count as missing.

    The methods `sync_…` raise MlflowException, SQLAlchemyError or OSError if the store is unreachable or reports an
    error; the call can be repeated later.
    """

    def __init__(self, client: MlflowClient, experiment_id: str, info: StudyInfo) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._info = info
        self._parent = self._find(_STUDY)
        self._trials: dict[int, MlflowRun] = {}
        self._outcomes: dict[int, TrialOutcome] = {}
        for run in search_runs(client, experiment_id, info, _TRIAL):
            number = int(run.data.tags["sweep.trial"])
            self._trials[number] = MlflowRun(client, run)
            self._outcomes[number] = _run_outcome(number, run)

    def sync_trial(self, record: TrialRecord) -> Change:
        """Update the trial's run from its record; a second call changes nothing."""
        number, study_id = record.number, self._info.id
        with self._forgotten_on_error(number):
            parent = self._ensure_parent(milliseconds(record.started))
            run = self._trial(number)
            created = run is None
            if run is None:
                tags = trial_identity(record, parent.id, study_id)
                run = self._create_run(trial_name(record), milliseconds(record.started), tags)
                self._trials[number] = run
            self._outcomes[number] = trial_outcome(record)
            wrote = run.write(trial_entry(record, parent.id, study_id, trial_files(record, self._info.folder)))
            if record.finished is not None:
                run.forget_points()
        if created:
            return "created"
        return "updated" if wrote else "unchanged"

    def sync_study(self, status: RunStatus, ended: int | None) -> bool:
        """Update the study's own run from the trials written so far.

        Args:
            status: the run's new status.
            ended: the end of the study in milliseconds since 1970; None while it is running.

        Returns:
            False if nothing was missing.
        """
        try:
            parent = self._ensure_parent(round(time.time() * 1000))
            files = study_files(self._info, ended=status != "RUNNING")
            return parent.write(study_entry(self._info, self._outcomes.values(), status, ended, files))
        except BaseException:
            self._parent = None
            raise

    def sync_models(self) -> tuple[int, ...]:
        """Log the models that the study keeps, each with its results on the validation images.

        Models that were logged earlier stay in MLflow, where they may be in use, even if the study has deleted them.

        Returns:
            The numbers of the trials for which something was missing in the store.

        Raises:
            RecordError: the record of a trial cannot be read.
        """
        complete = sorted(number for number, outcome in self._outcomes.items() if outcome.state == "complete")
        return tuple(number for number in complete if self._sync_model(number))

    def _sync_model(self, number: int) -> bool:
        folder = trial_folder(self._info.folder, number)
        if not folder.is_dir():
            return False
        record = read_record(folder)
        if record.model_file is None or not (folder / record.model_file).is_file():
            return False
        with self._forgotten_on_error(number):
            run = self._trial(number)
            if run is None:
                return False
            wrote = run.add(*evaluation_files(record, self._info))
            digest = (record.weights_digest or "")[:16]
            if run.tags.get(MODEL_TAG) == digest:
                return wrote
            self._log_model(run, record)
            run.mark(MODEL_TAG, digest)
        return True

    def _log_model(self, run: MlflowRun, record: TrialRecord) -> None:
        name, step = f"{record.study}-{record.number:04d}", record.best_epoch or 0
        tags = {"sweep.study": record.study, "sweep.trial": str(record.number)}
        model_file = trial_folder(self._info.folder, record.number) / (record.model_file or "")
        opened = open_logged_model(self._client, self._experiment_id, run.id, record, name=name, tags=tags, step=step)
        with opened as (model, folder):
            write_model(folder, model_file, record, model)
        best = [point for point in trial_points(record) if point.step == record.best_epoch]
        self._client.log_batch(run.id, [Metric(*point, model_id=model.model_id, run_id=run.id) for point in best])

    def study_end(self) -> tuple[RunStatus, int] | None:
        """Return the status and the end of the study's run; None if the run has not ended or is missing."""
        if self._parent is not None and self._parent.ended is not None:
            for status in CLOSED.values():
                if self._parent.status == status:
                    return status, self._parent.ended
        return None

    def _find(self, filter_string: str) -> MlflowRun | None:
        found = find_run(self._client, self._experiment_id, self._info, filter_string)
        return None if found is None else MlflowRun(self._client, found)

    def _trial(self, number: int) -> MlflowRun | None:
        """Return the trial's run, read from the store again if the last attempt failed; None if there is no run."""
        if number not in self._trials:
            found = self._find(f"{_TRIAL} and tags.`sweep.trial` = '{number}'")
            if found is not None:
                self._trials[number] = found
        return self._trials.get(number)

    @contextmanager
    def _forgotten_on_error(self, number: int) -> Iterator[None]:
        """Forget the trial's run if the block fails: what was written is unknown, so the next call reads the run."""
        try:
            yield
        except BaseException:
            self._trials.pop(number, None)
            raise

    def _ensure_parent(self, started: int) -> MlflowRun:
        if self._parent is None:
            self._parent = self._find(_STUDY)
        if self._parent is None:
            self._parent = self._create_run(self._info.name, started, study_identity(self._info))
        return self._parent

    def _create_run(self, name: str, started: int, tags: dict[str, str]) -> MlflowRun:
        return MlflowRun(
            self._client, self._client.create_run(self._experiment_id, started, {**tags, **_user()}, run_name=name)
        )


def _user() -> dict[str, str]:
    """Return the tag with the user's name, which distinguishes studies of the same name; no tag without a user name."""
    try:
        return {"mlflow.user": getpass.getuser()}
    except (KeyError, OSError):  # no entry in /etc/passwd, as in some containers; KeyError before Python 3.13
        return {}


def log_report_artifact(info: StudyInfo, address: Address) -> bool:
    """Add the study's report to its run without reading the trials' runs.

    Returns:
        False if the store has no run of the study.

    Raises:
        MlflowException, SQLAlchemyError, OSError: the store is unreachable or reports an error.
    """
    client = make_client(address)
    experiment = client.get_experiment_by_name(info.name)
    if experiment is None or experiment.lifecycle_stage == "deleted":
        return False
    found = find_run(client, experiment.experiment_id, info, _STUDY)
    if found is not None:
        MlflowRun(client, found).add((), report_files(info))
    return found is not None


def _run_outcome(number: int, run: Run) -> TrialOutcome:
    """Return the outcome in a trial's run; it equals `trial_outcome` of the trial's record."""
    metrics = run.data.metrics
    return TrialOutcome(
        number=number,
        state=run.data.tags.get("sweep.state", "running"),
        objective=metrics.get("objective"),
        ended=run.info.end_time,
        best_epoch=int(metrics["best_epoch"]) if "best_epoch" in metrics else None,
        parameters=int(metrics["parameters"]) if "parameters" in metrics else None,
        params=dict(run.data.params),
    )
