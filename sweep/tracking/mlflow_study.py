"""A study in MLflow: one experiment, in it one run for the study and under it one run per trial.

Importing this module imports mlflow (about 2 s): see `sweep.tracking.open_mlflow` for who does it, and when.
"""

from __future__ import annotations

import getpass
import logging
import time
from collections.abc import Iterator
from typing import Literal, TypeAlias

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType

from sweep.records.trial_record import TrialRecord, read_record, trial_folder
from sweep.tracking.logged_model import log_model
from sweep.tracking.mlflow_run import MODEL_TAG, MlflowRun
from sweep.tracking.run_entry import RunStatus, milliseconds, trial_entry, trial_identity, trial_name
from sweep.tracking.run_files import evaluation_files, report_files, study_files, trial_files
from sweep.tracking.store_address import Address
from sweep.tracking.study_entry import CLOSED, TrialOutcome, study_entry, study_identity, trial_outcome
from sweep.tracking.tracker import StudyInfo

PAGE = 1000
_STUDY = "tags.`sweep.kind` = 'study'"
Change: TypeAlias = Literal["created", "updated", "unchanged"]

_log = logging.getLogger("sweep.tracking")


class MlflowStudy:
    """One study in MLflow. Every method asks the store only for what it has not seen yet; none of them is thread-safe.

    The runs that are there already are read once, at construction; runs that the user deleted count as not there.
    """

    def __init__(self, client: MlflowClient, experiment_id: str, info: StudyInfo) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._info = info
        self._parent: MlflowRun | None = None
        self._trials: dict[int, MlflowRun] = {}
        self._outcomes: dict[int, TrialOutcome] = {}
        self._load()

    def sync_trial(self, record: TrialRecord) -> Change:
        """Bring the trial's run up to its record; calling it again changes nothing.

        Raises:
            MlflowException, SQLAlchemyError, OSError: the store is away or refuses; calling again makes it good.
        """
        try:
            return self._sync_trial(record)
        except BaseException:
            # It is not known which part arrived: the next call reads the run again.
            self._trials.pop(record.number, None)
            raise

    def _sync_trial(self, record: TrialRecord) -> Change:
        parent = self._ensure_parent(milliseconds(record.started))
        run = self._trials.get(record.number) or self._find_trial(record.number)
        created = run is None
        if run is None:
            run = self._create(trial_name(record), record.started, trial_identity(record, parent.id, self._info.id))
        self._trials[record.number] = run
        self._outcomes[record.number] = trial_outcome(record)
        wrote = run.write(trial_entry(record, parent.id, self._info.id, trial_files(record, self._info.folder)))
        if record.finished is not None:
            run.forget_points()
        if created:
            return "created"
        return "updated" if wrote else "unchanged"

    def sync_study(self, status: RunStatus, ended: int | None) -> bool:
        """Bring the study's own run up to the trials seen so far.

        Args:
            status: of the run.
            ended: milliseconds since 1970; None while running.

        Returns:
            False when nothing was missing.

        Raises:
            MlflowException, SQLAlchemyError, OSError: the store is away or refuses; calling again makes it good.
        """
        try:
            parent = self._ensure_parent(round(time.time() * 1000))
            files = study_files(self._info, ended=status != "RUNNING")
            return parent.write(study_entry(self._info, self._outcomes.values(), status, ended, files))
        except BaseException:
            self._parent = None
            raise

    def sync_models(self) -> tuple[int, ...]:
        """Log the models that the study keeps, each with what it says of the validation images.

        Models of earlier rounds stay in MLflow, where somebody may use them, although the study has dropped them.

        Returns:
            The trials that got something that they had not.

        Raises:
            MlflowException, SQLAlchemyError, OSError: the store is away or refuses; calling again makes it good.
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
        run = self._trials.get(number) or self._find_trial(number)  # what failed before is not known any more
        if run is None:
            return False
        self._trials[number] = run
        try:
            wrote = run.add(*evaluation_files(record, self._info))
            digest = (record.weights_digest or "")[:16]
            if run.tags.get(MODEL_TAG) == digest:
                return wrote
            log_model(self._client, self._experiment_id, run.id, record, folder / record.model_file)
            run.mark(MODEL_TAG, digest)
        except BaseException:
            self._trials.pop(number, None)
            raise
        return True

    def study_end(self) -> tuple[RunStatus, int] | None:
        """Status and end of the study's run; None while it is open, or not there."""
        if self._parent is not None and self._parent.ended is not None:
            for status in CLOSED.values():
                if self._parent.status == status:
                    return status, self._parent.ended
        return None

    def _load(self) -> None:
        for run in self._search(_STUDY):
            self._parent = MlflowRun(self._client, run)
        for run in self._search("tags.`sweep.kind` = 'trial'"):
            number = int(run.data.tags["sweep.trial"])
            self._trials[number] = MlflowRun(self._client, run)
            self._outcomes[number] = _run_outcome(number, run)

    def _search(self, filter_string: str) -> Iterator[Run]:
        return search_runs(self._client, self._experiment_id, self._info, filter_string)

    def _find_trial(self, number: int) -> MlflowRun | None:
        found = list(self._search(f"tags.`sweep.kind` = 'trial' and tags.`sweep.trial` = '{number}'"))
        return MlflowRun(self._client, found[-1]) if found else None

    def _ensure_parent(self, started: int) -> MlflowRun:
        if self._parent is None:
            found = list(self._search(_STUDY))
            tags = study_identity(self._info)
            run = found[-1] if found else self._create_run(self._info.name, started, tags)
            self._parent = MlflowRun(self._client, run)
        return self._parent

    def _create(self, name: str, started: str, tags: dict[str, str]) -> MlflowRun:
        return MlflowRun(self._client, self._create_run(name, milliseconds(started), tags))

    def _create_run(self, name: str, started: int, tags: dict[str, str]) -> Run:
        run: Run = self._client.create_run(
            self._experiment_id, start_time=started, tags={**tags, **_user()}, run_name=name
        )
        return run


def _user() -> dict[str, str]:
    """Who writes, which tells two people's studies of one name apart in the list; nothing where nobody has a name."""
    try:
        return {"mlflow.user": getpass.getuser()}
    except (KeyError, OSError):  # the first before Python 3.13: a container's user without an entry
        return {}


def search_runs(client: MlflowClient, experiment_id: str, info: StudyInfo, filter_string: str) -> Iterator[Run]:
    """Live runs of the study, the oldest last, so that it is the one kept where two writers made two."""
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id],
            f"{filter_string} and tags.`sweep.study_id` = '{info.id}'",
            run_view_type=ViewType.ACTIVE_ONLY,
            max_results=PAGE,
            order_by=["attributes.start_time DESC", "attributes.run_id DESC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def log_report_artifact(info: StudyInfo, address: Address) -> bool:
    """Add the study's report to its run; asks for no trial's run.

    Returns:
        False where the store has no run of the study.

    Raises:
        MlflowException, SQLAlchemyError, OSError: the store is away or refuses.
    """
    client = MlflowClient(tracking_uri=address.uri, registry_uri=address.uri)
    experiment = client.get_experiment_by_name(info.name)
    if experiment is None or experiment.lifecycle_stage == "deleted":
        return False
    found = list(search_runs(client, experiment.experiment_id, info, _STUDY))
    if found:
        MlflowRun(client, found[-1]).add((), report_files(info))
    return bool(found)


def open_mlflow_study(info: StudyInfo, address: Address) -> MlflowStudy:
    """Connect, and make the study's experiment where there is none; a deleted one is restored.

    Raises:
        MlflowException, SQLAlchemyError, OSError: the store is away or refuses.
    """
    client = MlflowClient(tracking_uri=address.uri, registry_uri=address.uri)
    return MlflowStudy(client, ensure_experiment(client, info.name, address.artifacts), info)


def ensure_experiment(client: MlflowClient, name: str, artifacts: str | None) -> str:
    """The id of the study's experiment, made where there is none; a deleted one is restored."""
    found = client.get_experiment_by_name(name)
    if found is None:
        # Without this tag the user interface asks what the experiment is for, instead of showing the runs.
        tags = {"mlflow.experimentKind": "custom_model_development"}
        return str(client.create_experiment(name, artifact_location=artifacts, tags=tags))
    if found.lifecycle_stage == "deleted":
        _log.warning("The MLflow experiment %s was deleted; it is restored.", name)
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _run_outcome(number: int, run: Run) -> TrialOutcome:
    """The same as `trial_outcome`, read back from a run."""
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
