"""One run of a sweep from request to summary: wires study, executor, tracker and display together."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rich.console import Console

from sweep.analysis.formatting import count
from sweep.commands.images import prepare_images, prepare_setting
from sweep.commands.pretrained_weights import pin_weights, require_weights
from sweep.commands.stop_signals import INTERRUPTED, StopRequests
from sweep.commands.user_models import complete_user_space
from sweep.data.loading import load
from sweep.data.sources import require_source
from sweep.errors import NothingFinished, StudyError, SweepError
from sweep.execution.child_call import call_in_child
from sweep.execution.executor import Executor
from sweep.execution.fork_server_executor import ForkServerExecutor
from sweep.execution.supervisor import Supervisor, TrialSetting, keep_best_models
from sweep.execution.watchdog import WatchedExecutor, limits_of
from sweep.execution.workers import default_slots
from sweep.invocation import command_text
from sweep.records.atomic_writing import write_atomically
from sweep.records.checkpoint import last_epoch
from sweep.records.disk import make_folder, needed_bytes
from sweep.records.home import Home
from sweep.records.image_facts import DataStamp, ImageFacts
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
from sweep.study.record_backups import repair_records
from sweep.terminal.console import make_console
from sweep.terminal.display import LiveDisplay, NoDisplay, PlainDisplay
from sweep.terminal.summary import next_hint, print_summary, report_hint, summary_mapping
from sweep.terminal.tally import Tally
from sweep.tracking.open_mlflow import open_mlflow
from sweep.tracking.store_address import hide_passwords, named_store
from sweep.tracking.tracker import REPORT_FILE, CloseState, StudyInfo

FLUSH_SECONDS = 30.0
INTERRUPTED_FLUSH_SECONDS = 3.0
"""How long the end of a sweep waits for the tracking store."""
_MIRRORED = ".mirrored"
"""File in a study's folder; what is older has been written to the tracking store."""

UI = Path(__file__).resolve().parents[2] / "scripts" / "ui"


@dataclass(frozen=True)
class SweepRequest:
    """What the user asked for.

    Attributes:
        space: read, overrides applied.
        trials: total of the study.
        study: its name; with `fork`, the name of the study to take trials from.
        workers: None for the default.
        again: the command that goes on after an interruption.
        words: whether what to do next is told as commands or as calls.
    """

    space: Space
    trials: int
    study: str
    fork: str | None
    workers: int | None
    threads: int
    home: Path
    tracking_uri: str | None
    quiet: bool
    as_json: bool
    again: str
    words: Literal["shell", "python"]


def run_session(request: SweepRequest, stop: StopRequests) -> int:
    """Run the sweep.

    Args:
        request: what is to be done.
        stop: ends it before its end.

    Returns:
        The exit code: 0, or 130 when it was interrupted.

    Raises:
        UserError: something that the user can mend.
        NothingFinished: no trial reached its end.
    """
    home = Home(request.home)
    name = request.fork or request.study
    folder = home.study(name)
    source = home.study(request.study)
    space = pin_weights(replace(request.space, study=name))
    console = make_console(quiet=request.quiet, as_json=request.as_json)
    if request.fork:
        read_records(source)  # raises for a study that is not there, before anything is made
    require_source(space.data.name)  # or a misspelt name would be told as a changed space, or leave a folder
    slots = default_slots(request.workers)
    make_folder(folder, _needed(space, len(slots)))
    with StudyLock(folder):
        executor = WatchedExecutor(ForkServerExecutor(slots), limits_of(space.search))
        if space.has_user_model:
            console.print("looking at the model", style="dim")
            space = complete_user_space(space, load(prepare_images(space.data, home.cache, console), space.data).facts)
        if request.fork:
            _fork(source, folder, space, console)
        study = open_study(folder, space, request.threads)
        for sentence in repair_records(folder, study.interrupted_trials()):
            console.print(sentence, style="yellow")
        write_atomically(folder / "space.yaml", space_to_yaml(space))
        setting = prepare_setting(space, home, console)
        _check_same_images(study, setting.stamp)
        require_weights(space, setting.stamp.shape)
        return _Run(request, home, study, executor, setting, console, stop).run()


def _needed(space: Space, workers: int) -> int:
    """Bytes that the sweep may write."""
    limit = getattr(space.smallest_config.model, "max_parameters", None)
    return needed_bytes(limit, space.search.keep_models, workers)


def _check_same_images(study: OptunaStudy, stamp: DataStamp) -> None:
    """Trials are comparable only if they were trained and judged on the same images.

    Raises:
        StudyError: the images have changed since an earlier trial.
    """
    for record in study.records():
        if record.data != stamp:
            raise StudyError(
                f"the images have changed since trial {record.number} of the study {study.name} "
                f"({record.data.train:,} training images then, {stamp.train:,} now; another digest). "
                "Restore them, or start another study with --study NAME"
            )


def _fork(source: Path, folder: Path, space: Space, console: Console) -> None:
    if folder == source:
        return
    fork = fork_study(source, folder, space)
    console.print(f"forked {source.name}: {fork.taken} trials taken, {len(fork.left)} left")
    for number, reason in fork.left:
        console.print(f"  left trial {number:04d}: {reason}")


def _skipped(stamp: DataStamp) -> str:
    files = "1 unreadable file" if stamp.skipped == 1 else f"{stamp.skipped:,} unreadable files"
    return f"; {files} skipped" if stamp.skipped else ""


class _Run:
    """The sweep itself, once everything is open."""

    def __init__(
        self,
        request: SweepRequest,
        home: Home,
        study: OptunaStudy,
        executor: Executor,
        setting: TrialSetting,
        console: Console,
        stop: StopRequests,
    ) -> None:
        self._request = request
        self._home = home
        self._study = study
        self._setting = setting
        self._console = console
        self._stop = stop
        self._executor = executor
        stop.graceful = True
        text, objective = space_to_yaml(study.space), study.space.search.objective
        info = StudyInfo(study.name, study_id(study.folder), text, objective, study.folder, home.cache)
        self._tracker = open_mlflow(info, request.tracking_uri, home.root)
        log = logging.getLogger("sweep.tracking")
        if not log.handlers:  # a notebook may run several sweeps
            log.addHandler(logging.StreamHandler())
        ended = [record for record in study.records() if record.state != "running"]
        self._tally = Tally(request.trials, executor.workers, study.space.epochs, ended)
        self._complete_mirror(ended)

    def run(self) -> int:
        self._announce()
        display = self._display()
        observers = [display, self._mirror, self._drop_models]
        supervisor = Supervisor(self._study, self._executor, self._setting, observers, self._cost)
        state: CloseState = "failed"
        try:
            with display:
                finished = supervisor.run(self._request.trials, self._stop)
            state = "finished" if finished else "interrupted"
            if finished:
                self._write_samples()
                self._write_report()
        finally:
            written = self._close_tracker(state)
        self._report(supervisor, written)
        return self._exit_code(finished)

    def _cost(self, configs: Sequence[TrialConfig]) -> Sequence[float]:
        """Multiply-adds of the configurations' models, to compare how long they take."""
        shape, classes = self._setting.stamp.shape, len(self._setting.stamp.classes)
        facts = ImageFacts(shape, classes, (0.5,) * shape[2], (0.25,) * shape[2])
        try:
            found: list[int] = call_in_child("sweep.training.model_probe:multiply_adds_of", list(configs), facts)
        except SweepError as error:
            # A model that cannot be built will say so again as a failed trial; until then the order is no matter.
            self._console.print(f"the last trials begin in the order of their numbers: {str(error).splitlines()[-1]}")
            return [0] * len(configs)
        return found

    def _complete_mirror(self, ended: list[TrialRecord]) -> None:
        """Tell the tracking store of what an earlier run could not: it was killed, or the store was away."""
        marker = self._study.folder / _MIRRORED
        complete = marker.stat().st_mtime if marker.exists() else 0.0
        for record in ended:
            path = trial_folder(self._study.folder, record.number) / RECORD_FILE
            if path.stat().st_mtime > complete:
                self._tracker.update(record)

    def _close_tracker(self, state: CloseState) -> bool:
        """Wait until everything is written, but not long for a user who wants to stop."""
        begun = time.monotonic()
        newest = time.time()
        while not (written := self._tracker.close(state, 0.25)):
            if time.monotonic() - begun > (INTERRUPTED_FLUSH_SECONDS if self._stop() else FLUSH_SECONDS):
                break
        if written:
            marker = self._study.folder / _MIRRORED
            marker.touch()
            os.utime(marker, (newest, newest))
        return written

    def _write_samples(self) -> None:
        """Pictures of some training images for the tracking store; once a study, after its trials, so none waits."""
        space = self._study.space
        augmentation = space.smallest_config.augmentation
        arguments = (self._setting.prepared, space.data, augmentation, self._study.folder / "samples")
        try:
            call_in_child("sweep.training.sample_images:write_samples", *arguments)
        except SweepError as error:
            self._console.print(f"no pictures of the training images: {error}")

    def _write_report(self) -> None:
        """The page, so that the tracking store has it too. In a child: what draws it takes seconds to import."""
        try:
            call_in_child("sweep.commands.report:write_page_beside_study", self._home.root, self._study.name)
        except SweepError as error:
            self._console.print(f"no report: {error}")

    def _announce(self) -> None:
        prepared, stamp = self._setting.prepared, self._setting.stamp
        self._console.print(
            f"study {self._study.name}: {self._request.trials} trials, {self._executor.workers} at a time; "
            f"{prepared.description}: {stamp.train:,} training and {stamp.validation:,} validation images of "
            f"{'x'.join(map(str, stamp.shape))}, {len(stamp.classes)} classes{_skipped(stamp)}",
        )
        done = [record for record in self._tally.before if record.state in ("complete", "pruned", "failed")]
        if done or self._study.interrupted_trials():
            over = len(done) >= self._request.trials and not self._study.interrupted_trials()
            more = "; nothing to do, because --trials is their total" if over else ""
            self._console.print(f"going on: {count(len(done), 'trial')} {'is' if len(done) == 1 else 'are'} done{more}")
            self._announce_taken_back()
        elif self._study.space.start_from:
            names = ", ".join(point.name for point in self._study.space.start_from)
            self._console.print(f"tried first: {names}", style="dim")

    def _announce_taken_back(self) -> None:
        states = {record.number: record.state for record in self._study.records()}
        # One without a record had its values only: it was to begin when a worker became free.
        again = [number for number in self._study.interrupted_trials() if number in states]
        for killed in (True, False):
            taken = [number for number in again if (states[number] != "interrupted") == killed]
            whose = "taken back from a run that was killed" if killed else "taken up again"
            if taken:
                self._console.print(f"{whose}: {', '.join(map(self._goes_on, taken))}")

    def _goes_on(self, number: int) -> str:
        epoch = last_epoch(trial_folder(self._study.folder, number))
        return f"trial {number:04d} after epoch {epoch}" if epoch else f"trial {number:04d} from its start"

    def _display(self) -> LiveDisplay | PlainDisplay:
        if self._console.quiet:
            return NoDisplay(self._console, self._tally)
        kind = LiveDisplay if self._console.is_terminal else PlainDisplay
        return kind(self._console, self._tally)

    def _mirror(self, record: TrialRecord, worker: int) -> None:  # noqa: ARG002 - an observer's signature
        self._tracker.update(record)

    def _drop_models(self, record: TrialRecord, worker: int) -> None:  # noqa: ARG002 - an observer's signature
        if record.state == "complete":
            keep_best_models(self._study.folder, ranked(self._tally.records), self._study.space.search.keep_models)

    def _report(self, supervisor: Supervisor, written: bool) -> None:
        records = self._study.records()
        places = {
            "study": str(self._study.folder),
            "mlflow": self._where_mlflow(written),
            "report": self._where_report(),
            "next": self._next(records),
        }
        if self._request.as_json:
            print(json.dumps(summary_mapping(self._study.name, records, supervisor.usage, places)))
        print_summary(self._console, records, supervisor.usage, places)

    def _where_mlflow(self, written: bool) -> str:
        """How to see it: the address of a server, or what shows the local store."""
        if not written:
            command = f"{command_text('sync')} --study {self._study.name}{self._home_option()}"
            return f"not everything could be written; `{command}` completes it"
        address = named_store(self._request.tracking_uri, os.environ)
        if address:
            return hide_passwords(address)
        if not UI.is_file():  # installed without the repository
            return f"mlflow server --backend-store-uri sqlite:///{self._home.root.absolute()}/mlflow/mlflow.db shows it"
        shown = UI.relative_to(Path.cwd()) if UI.is_relative_to(Path.cwd()) else UI
        return f"{shown}{self._home_option()} shows it"

    def _where_report(self) -> str:
        """The page, or after an interruption the command that writes it."""
        path = self._study.folder / REPORT_FILE
        if path.is_file() and not self._stop():
            return str(path)
        return report_hint(self._study.name, self._home_option(), self._request.words)

    def _next(self, records: list[TrialRecord]) -> str:
        if self._stop():
            return self._request.again
        return next_hint(self._study.name, self._home_option(), bool(ranked(records)), self._request.words)

    def _home_option(self) -> str:
        return "" if self._request.home == Path() else f" --home {self._request.home}"

    def _exit_code(self, finished: bool) -> int:
        if not finished:
            return INTERRUPTED
        if not ranked(self._study.records()):
            raise NothingFinished(
                f"no trial of the study {self._study.name} reached its end; "
                f"the records in {self._study.folder / 'trials'} say why"
            )
        return 0
