"""One run of a sweep from request to summary: connects study, executor, tracker and display."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from rich.console import Console

from sweep.analysis.formatting import count
from sweep.commands.prerequisites import (
    complete_user_space,
    pin_weights,
    prepare_images,
    prepare_setting,
    require_weights,
)
from sweep.commands.run import RunRequest, total_trials
from sweep.commands.stop_signals import INTERRUPTED, StopRequests
from sweep.data.loading import load
from sweep.data.sources import require_source
from sweep.errors import NothingFinished, SweepError
from sweep.execution.child_call import call_in_child
from sweep.execution.executor import Executor
from sweep.execution.fork_server_executor import ForkServerExecutor
from sweep.execution.supervisor import Supervisor, TrialSetting, keep_best_models
from sweep.execution.watchdog import WatchedExecutor, limits_of
from sweep.execution.workers import default_slots
from sweep.invocation import command_text, home_option
from sweep.records.atomic_writing import write_atomically
from sweep.records.checkpoint import last_epoch
from sweep.records.disk import make_folder, needed_bytes
from sweep.records.home import Home
from sweep.records.image_facts import ImageFacts
from sweep.records.study_id import study_id
from sweep.records.study_lock import StudyLock
from sweep.records.study_records import ranked, read_records
from sweep.records.trial_record import RECORD_FILE, TrialRecord, trial_folder
from sweep.space.config import TrialConfig
from sweep.space.space import Space
from sweep.space.writer import space_to_yaml
from sweep.study.fork_study import fork_study
from sweep.study.open_study import open_study
from sweep.study.optuna_study import OptunaStudy
from sweep.terminal.console import make_console
from sweep.terminal.display import run_display
from sweep.terminal.summary import print_summary, summary_mapping
from sweep.terminal.tally import Tally
from sweep.tracking.open_mlflow import open_mlflow
from sweep.tracking.store_address import hide_passwords, named_store
from sweep.tracking.tracker import REPORT_FILE, CloseState, StudyInfo

FLUSH_SECONDS = 30.0
INTERRUPTED_FLUSH_SECONDS = 3.0
"""Maximum seconds to wait for the tracking store after the last trial of a sweep, and after an interruption."""
_MIRRORED = ".mirrored"
"""File in a study's folder; its time of change tells which records are in the tracking store: all older ones."""

UI = Path(str(files("sweep"))).resolve().parent / "scripts" / "ui"


def run_session(request: RunRequest, space: Space, stop: StopRequests) -> int:
    """Run the sweep.

    Args:
        request: what the user asks for.
        space: the space of the request, with its overrides applied.
        stop: stops the sweep early.

    Returns:
        The exit code: 0, or 130 if the sweep was interrupted.

    Raises:
        UserError: something that the user can fix.
        NothingFinished: no trial is complete.
    """
    home = Home(request.home)
    source = home.study(request.study or space.study)
    folder = home.study(request.fork) if request.fork else source
    space = pin_weights(replace(space, study=folder.name))
    console = make_console(quiet=request.quiet, as_json=request.as_json)
    if request.fork:
        read_records(source)  # raises if there is no such study, before any folder is made
    require_source(space.data.name)  # checked first: a misspelt name must not create a folder or seem a changed space
    slots = default_slots(request.workers)
    max_parameters = getattr(space.smallest_config.model, "max_parameters", None)
    make_folder(folder, needed_bytes(max_parameters, space.search.keep_models, len(slots)))
    with StudyLock(folder) as lock:
        executor = WatchedExecutor(ForkServerExecutor(slots), limits_of(space.search))
        if space.has_user_model:
            console.print("inspecting the model", style="dim")
            space = complete_user_space(space, load(prepare_images(space.data, home.cache, console), space.data).facts)
        if folder != source:
            _fork(source, folder, space, lock, console)
        with closing(open_study(folder, space, request.threads, lock.check)) as study:
            for sentence in study.repairs:
                console.print(sentence, style="yellow")
            lock.check()
            write_atomically(folder / "space.yaml", space_to_yaml(space))
            setting = prepare_setting(space.data, study.records(), home, console)
            require_weights(space, setting.stamp.shape)
            lock.check()
            return _Run(request, home, study, lock, executor, replace(setting, held=(lock.file,)), console, stop).run()


def _fork(source: Path, folder: Path, space: Space, lock: StudyLock, console: Console) -> None:
    fork = fork_study(source, folder, space, lock.check)
    console.print(f"forked {source.name}: copied {count(fork.taken, 'trial')}, skipped {len(fork.left)}")
    for number, reason in fork.left:
        console.print(f"  skipped trial {number:04d}: {reason}")


@dataclass
class _Run:
    """A sweep whose study, images and executor are ready."""

    request: RunRequest
    home: Home
    study: OptunaStudy
    lock: StudyLock
    executor: Executor
    setting: TrialSetting
    console: Console
    stop: StopRequests

    def __post_init__(self) -> None:
        self.stop.graceful = True
        study = self.study
        text, objective = space_to_yaml(study.space), study.space.search.objective
        info = StudyInfo(study.name, study_id(study.folder), text, objective, study.folder, self.home.cache)
        self._tracker = open_mlflow(info, self.request.tracking_uri, self.home.root)
        log = logging.getLogger("sweep.tracking")
        if not log.handlers:  # with a handler per sweep, a notebook would show messages twice
            log.addHandler(logging.StreamHandler())
        earlier = [record for record in study.records() if record.state != "running"]
        total = total_trials(study.space, self.request.trials)
        self._tally = Tally(total, self.executor.workers, study.space.epochs, earlier)
        self._best = ranked(self._tally.records)
        self._complete_mirror(earlier)

    def run(self) -> int:
        self._announce()
        state: CloseState = "failed"
        try:
            with run_display(self.console, self._tally) as display:
                observers = [display, self._on_change]
                supervisor = Supervisor(self.study, self.executor, self.setting, observers, self._cost)
                finished = supervisor.run(self._tally.total, self.stop)
            state = "finished" if finished else "interrupted"
            if finished:
                space, samples = self.study.space, self.study.folder / "samples"
                images = (self.setting.prepared, space.data, space.smallest_config.augmentation)
                write_samples = "sweep.training.sample_images:write_samples"
                self._try_in_child("pictures of the training images", write_samples, *images, samples, self.lock.file)
                self._try_in_child(
                    "report", "sweep.commands.report:write_page_in_study", self.home, self.study.name, self.lock.file
                )
        finally:
            written = self._close_tracker(state)
        self.lock.check()
        records = self.study.records()
        places = self._places(records, written)
        if self.request.as_json:
            print(json.dumps(summary_mapping(self.study.name, records, supervisor.usage, places)))
        print_summary(self.console, records, supervisor.usage, places)
        if not finished:
            return INTERRUPTED
        if not ranked(records):
            raise NothingFinished(
                f"no trial of the study {self.study.name} is complete; the records in {self.study.folder / 'trials'} "
                "have the reasons"
            )
        return 0

    def _cost(self, configs: Sequence[TrialConfig]) -> Sequence[float]:
        """Return the multiply-adds of the models, to compare how long their training takes."""
        shape, classes = self.setting.stamp.shape, len(self.setting.stamp.classes)
        facts = ImageFacts(shape, classes, (0.5,) * shape[2], (0.25,) * shape[2])
        try:
            found: list[int] = call_in_child("sweep.training.model_probe:multiply_adds_of", list(configs), facts)
        except SweepError as error:
            # A model that cannot be built fails later, in its trial, with this message; here it only affects the order.
            effect = "the training times cannot be compared, so the last trials start in the order of their numbers"
            self.console.print(f"{effect}; cause: {str(error).splitlines()[-1]}")
            return [0] * len(configs)
        return found

    def _complete_mirror(self, records: list[TrialRecord]) -> None:
        """Send the tracking store the records that an earlier run did not send, because it was killed or offline."""
        marker = self.study.folder / _MIRRORED
        complete = marker.stat().st_mtime if marker.exists() else 0.0
        for record in records:
            path = trial_folder(self.study.folder, record.number) / RECORD_FILE
            if path.stat().st_mtime > complete:
                self._tracker.update(record)

    def _close_tracker(self, state: CloseState) -> bool:
        """Wait a limited time, shorter after a stop request, for the tracker to write everything; True if it has."""
        started = time.monotonic()
        newest = time.time()
        self._tracker.close(state, 0.0)
        while self._tracker.is_writing:
            if time.monotonic() - started > (INTERRUPTED_FLUSH_SECONDS if self.stop() else FLUSH_SECONDS):
                break
            self._tracker.close(state, 0.25)
        written = self._tracker.close(state, 0.0)  # asked last, because the writer may finish between the other calls
        if written:
            marker = self.study.folder / _MIRRORED
            self.lock.check()
            marker.touch()
            os.utime(marker, (newest, newest))
        return written

    def _try_in_child(self, product: str, function: str, *arguments: object) -> None:
        """Make `product` in a child process, as its libraries take seconds to import; print an error if that fails."""
        try:
            call_in_child(function, *arguments)
        except SweepError as error:
            self.console.print(f"could not make the {product}: {error}")

    def _announce(self) -> None:
        prepared, stamp = self.setting.prepared, self.setting.stamp
        skipped = f"; {count(stamp.skipped, 'unreadable file')} skipped" if stamp.skipped else ""
        self.console.print(
            f"study {self.study.name}: {count(self._tally.total, 'trial')}, {self.executor.workers} at a time; "
            f"{prepared.description}: {stamp.train:,} training and {stamp.validation:,} validation images of "
            f"{'x'.join(map(str, stamp.shape))}, {len(stamp.classes)} classes{skipped}",
        )
        waiting = self.study.interrupted_trials()
        done = self._tally.ended
        if done or waiting:
            over = done >= self._tally.total and not waiting
            more = "; nothing to do: --trials counts earlier trials too; give a higher one to continue" if over else ""
            self.console.print(f"continuing: {count(done, 'trial')} {'is' if done == 1 else 'are'} done{more}")
            self._announce_resumed(waiting)
        elif self.study.space.start_from:
            names = ", ".join(point.name for point in self.study.space.start_from)
            self.console.print(f"tried first: {names}", style="dim")

    def _announce_resumed(self, waiting: Sequence[int]) -> None:
        """Print which trials are resumed, except those without a record, which have values but never started."""
        states = {record.number: record.state for record in self.study.records()}
        interrupted = [number for number in waiting if states.get(number) == "interrupted"]
        killed = [number for number in waiting if number in states and number not in interrupted]
        for heading, numbers in (("recovered from a run that was killed", killed), ("resuming", interrupted)):
            epochs = {number: last_epoch(trial_folder(self.study.folder, number)) for number in numbers}
            texts = [f"trial {n:04d} " + (f"after epoch {e}" if e else "from its start") for n, e in epochs.items()]
            if texts:
                self.console.print(f"{heading}: {', '.join(texts)}")

    def _on_change(self, record: TrialRecord, worker: int) -> None:  # noqa: ARG002 - an observer's signature
        self._tracker.update(record)
        if record.state == "complete":
            keep = self.study.space.search.keep_models
            ranking = ranked([*self._best, record])
            keep_best_models(self.study, ranking, keep)
            self._best = ranking[:keep]

    def _places(self, records: Sequence[TrialRecord], written: bool) -> dict[str, str]:
        """Return where the results are, and what to do next."""
        option = f"--study {self.study.name}{home_option(self.home.root)}"
        best = ranked(records)
        if self.request.words == "python":
            report, more = "study.report()", "sweep.reproduce(study.best)" if best else "study.trials"
        else:
            report = f"{command_text('report')} {option}"
            more = f"{command_text('reproduce' if best else 'status')} {option}"
        page, stopped = self.study.folder / REPORT_FILE, self.stop()
        return {
            "study": str(self.study.folder),
            "mlflow": self._mlflow_place(written),
            "report": str(page) if page.is_file() and not stopped else report,
            "next": self.request.again if stopped else more,
        }

    def _mlflow_place(self, written: bool) -> str:
        """Return the address of the server, or the command that shows the local store."""
        option = home_option(self.home.root)
        if not written:
            command = f"{command_text('sync')} --study {self.study.name}{option}"
            return f"not everything could be written; `{command}` completes it"
        address = named_store(self.request.tracking_uri, os.environ)
        if address:
            return hide_passwords(address)
        if not UI.is_file():  # the script exists only in the repository
            return f"mlflow server --backend-store-uri sqlite:///{self.home.root.absolute()}/mlflow/mlflow.db shows it"
        shown = UI.relative_to(Path.cwd()) if UI.is_relative_to(Path.cwd()) else UI
        return f"{shown}{option} shows it"
