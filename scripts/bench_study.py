"""Studies of simulated trials: how the supervisor and the commands that read a study scale with its number of trials.

The space, the study, the supervisor, the records and the display's counts are those of a sweep. Only the training is
simulated: each learning curve is computed in the supervisor's process, so no time is spent on children.
"""

from __future__ import annotations

import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import typer

from sweep.data.cache import Prepared
from sweep.execution.executor import Outcome, Task
from sweep.execution.supervisor import Supervisor, TrialSetting, keep_best_models
from sweep.records.environment import environment_facts
from sweep.records.home import Home
from sweep.records.image_facts import DataStamp
from sweep.records.study_lock import StudyLock
from sweep.records.study_records import ranked, read_records
from sweep.records.trial_record import TrialRecord, diagnosed, trial_folder, write_record
from sweep.records.trial_result import EpochMetrics, OnEpoch, TrialResult, best_epoch
from sweep.space.corners import draw
from sweep.space.reader import Override, read_space
from sweep.space.space import Space
from sweep.study.frozen_trials import frozen_trial
from sweep.study.open_study import complete_new_study, create_in_storage, open_study
from sweep.study.optuna_tables import write_trials
from sweep.study.record_backups import write_copy
from sweep.study.storage import close_storage, open_storage
from sweep.terminal.console import make_console
from sweep.terminal.display import run_display
from sweep.terminal.tally import ENDED, Tally

STUDY = "bench"
EPOCHS = 20
GROWN = 1_000
"""Maximum number of trials that the supervisor runs, one by one, from an empty study."""
LIVE = 300
"""Number of trials that the supervisor runs in a larger study, whose other trials are written at once."""
LAST = 100
"""Number of trials at the end of a run over which the figures at full size are taken."""
STAMP = DataStamp("d" * 64, "5" * 64, 45_000, 5_000, (32, 32, 3), tuple(f"class {number}" for number in range(10)))
PREPARED = Prepared("nowhere", STAMP.digest, STAMP.classes, STAMP.shape, 50_000, 10_000, "simulated images")


def study_command(
    trials: Annotated[list[int] | None, typer.Option(help="Number of trials; repeat it for several studies.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Folder for the studies, on the disk to measure.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the learning curves and of the searches.")] = 0,
) -> None:
    """Run studies of 100, 1,000 and 10,000 simulated trials; print speed, memory, and the times of status and report.

    A larger study than 1,000 trials would take hours to grow: all but its last 300 trials are written at once.
    """
    for count in trials or (100, 1_000, 10_000):
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            _measure(Home(Path(scratch)), count, seed)


def _measure(home: Home, count: int, seed: int) -> None:
    live = count if count <= GROWN else min(count, LIVE)
    print(f"{count:,} trials of {EPOCHS} epochs, seed {seed}", flush=True)
    if live < count:
        seconds = _timed(_in_new_process, _write_history, home, count - live, seed)
        _print("trials written at once", f"{count - live:,} in {seconds:.1f} s")
    run = _in_new_process(_supervise, home, count, seed)
    _print("fsync on this disk", f"{1000 * run.fsync:.2f} ms (median)")
    _print("opening the study", f"{run.opening:.2f} s")
    _print("epochs answered", f"{1 / run.answer:,.0f} per second (median {1000 * run.answer:.2f} ms)")
    _print(f"the last {LAST} trials", f"{run.last_rate:,.0f} epochs per second, with asking and ending")
    _print(f"all {live:,} trials", f"{run.epochs / run.seconds:,.0f} epochs per second ({run.epochs:,} epochs)")
    _print("ask", f"{run.ask:.3f} s (median)")
    _print("tell", f"{run.tell:.3f} s (median)")
    _print("memory of the supervisor", f"{run.megabytes:,.0f} MB (peak)")
    _print("reading all records", f"{_in_new_process(_read_all, home):.2f} s")
    for command in ("status", "report"):
        _print(f"sweep {command}", f"{_timed(_command, home, command):.2f} s from the start of the process")


def _print(name: str, text: str) -> None:
    print(f"  {name:<26} {text}", flush=True)


def _in_new_process(function: Callable[..., Any], *arguments: object) -> Any:
    """Call a function in a new process, so that its peak memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _timed(function: Callable[..., object], *arguments: object) -> float:
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


def _command(home: Home, command: str) -> None:
    words = [sys.executable, "-P", "-m", f"sweep.{command}", "--study", STUDY, "--home", str(home.root)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def _read_all(home: Home) -> float:
    return _timed(read_records, home.study(STUDY))


def _space(seed: int) -> Space:
    words = {"training.epochs": str(EPOCHS), "search.seed": str(seed)}
    space = read_space(Path("search_spaces/vgg.yaml"), [Override(key, text, key) for key, text in words.items()])
    return replace(space, study=STUDY, start_from=())


def _write_history(home: Home, count: int, seed: int) -> None:
    """Write a study with `count` ended trials, as a sweep leaves it."""
    space, facts, folder = _space(seed), environment_facts(Path()), home.study(STUDY)
    generator, start = random.Random(seed), datetime(2025, 1, 2, tzinfo=UTC)
    clocks = (start + timedelta(seconds=EPOCHS * number) for number in range(count))
    records = [_ended(space, facts, number, seed, generator, clock) for number, clock in enumerate(clocks)]
    folder.mkdir(parents=True)
    storage = open_storage(folder, create=True)
    study = create_in_storage(STUDY, storage, space)
    with storage.engine.begin() as connection:
        write_trials(connection, study._study_id, [frozen_trial(record, space) for record in records])
        for record in records:
            write_copy(connection, record)
            write_record(trial_folder(folder, record.number), record, durable=False)
    complete_new_study(study, space)
    close_storage(storage, folder)


def _ended(
    space: Space, facts: dict[str, str], number: int, seed: int, generator: random.Random, start: datetime
) -> TrialRecord:
    """Return the record of a trial with random values; about two of three trials are pruned."""
    values = draw(space, generator)
    config = space.config(values, seed=number)
    cut = generator.choice((None, 5, 10))
    epochs = tuple(_curve(seed, number))[:cut]
    best = best_epoch(epochs, config.objective)
    result = _result(number, epochs, stopped=cut is not None)
    return diagnosed(
        TrialRecord(
            study=space.study,
            number=number,
            state="complete" if cut is None else "pruned",
            reason="all epochs" if cut is None else f"pruned at epoch {cut} (median)",
            config=config,
            values=values,
            data=STAMP,
            environment=facts,
            started=start.isoformat(timespec="milliseconds"),
            finished=(start + timedelta(seconds=len(epochs))).isoformat(timespec="milliseconds"),
            epochs=epochs,
            best_epoch=best.epoch,
            objective_value=best.value(config.objective),
            parameters=result.parameters,
            weights_digest=result.weights_digest,
            timings={"build": 0.5, "fit": float(len(epochs)), "total": len(epochs) + 0.5},
            pruned_at=cut,
            model_digest=result.model_digest,
        )
    )


def _curve(seed: int, number: int) -> Iterator[EpochMetrics]:
    """Yield the epochs of a trial: an exponential approach to a random accuracy, with noise."""
    generator = random.Random(f"{seed}/{number}")
    top = generator.uniform(0.3, 0.9)
    for epoch in range(1, EPOCHS + 1):
        accuracy = min(max(top * (1 - 0.7**epoch) + generator.gauss(0, 0.01), 0.0), 1.0)
        yield EpochMetrics(epoch, 2 - accuracy, accuracy, 2 - accuracy, accuracy, learning_rate=0.001, seconds=1.0)


def _result(number: int, epochs: tuple[EpochMetrics, ...], stopped: bool) -> TrialResult:
    return TrialResult(
        epochs=epochs,
        stop_reason="stopped" if stopped else "epochs",
        best_epoch=best_epoch(epochs, "val_accuracy").epoch,
        parameters=1_000_000 + number,
        weights_digest=f"{number:064x}",
        build_seconds=0.5,
        fit_seconds=float(len(epochs)),
        images_per_second=45_000.0,
        model_digest=f"{number:064x}",
    )


class SimulatedExecutor:
    """An executor that computes learning curves in this process, one trial at a time."""

    workers = 1

    def __init__(self, seed: int) -> None:
        self.answers: list[float] = []
        self._seed = seed
        self._waiting: list[tuple[Task, OnEpoch]] = []

    def submit(self, task: Task, on_epoch: OnEpoch) -> int:
        """Remember a trial; its model file exists at once."""
        self._waiting.append((task, on_epoch))
        return 0

    def wait(self, seconds: float) -> list[Outcome]:  # noqa: ARG002 - the interface's signature
        """Run the trial that waits, if there is one."""
        return [Outcome(task.number, self._train(task, on_epoch)) for task, on_epoch in self._take()]

    def _take(self) -> list[tuple[Task, OnEpoch]]:
        taken, self._waiting = self._waiting, []
        return taken

    def _train(self, task: Task, on_epoch: OnEpoch) -> TrialResult:
        epochs: list[EpochMetrics] = []
        for metrics in _curve(self._seed, task.number):
            epochs.append(metrics)
            started = time.perf_counter()
            stopped = on_epoch(metrics)
            self.answers.append(time.perf_counter() - started)
            if stopped:
                return _result(task.number, tuple(epochs), stopped=True)
        (task.folder / "model.keras").touch()
        return replace(_result(task.number, tuple(epochs), stopped=False), model_file="model.keras")

    def close(self) -> None:
        """Do nothing: there are no children."""


@dataclass
class Run:
    """What a supervisor's run took, in seconds; `answer`, `ask` and `tell` are medians over the last trials."""

    opening: float
    fsync: float
    epochs: int = 0
    seconds: float = 0.0
    answer: float = 0.0
    last_rate: float = 0.0
    ask: float = 0.0
    tell: float = 0.0
    megabytes: float = 0.0


@dataclass
class _Ends:
    """An observer that notes the time and the number of epochs of each ended trial."""

    ends: list[tuple[float, int]] = field(default_factory=list)

    def __call__(self, record: TrialRecord, worker: int) -> None:  # noqa: ARG002 - an observer's signature
        if record.state in ENDED:
            self.ends.append((time.perf_counter(), len(record.epochs)))


def _supervise(home: Home, total: int, seed: int) -> Run:
    """Run a study up to `total` trials, with the observers that a sweep has, except the mirror in MLflow."""
    import sweep.commands.sweep_session  # noqa: F401 - its imports are part of a supervisor's memory

    space, folder = _space(seed), home.study(STUDY)
    folder.mkdir(parents=True, exist_ok=True)
    with StudyLock(folder) as lock:
        started = time.perf_counter()
        study = open_study(folder, space, 1, lock.check)
        run = Run(opening=time.perf_counter() - started, fsync=_fsync_seconds(home.root))
        tally = Tally(total, 1, EPOCHS, study.records())

        def keep_models(record: TrialRecord, worker: int) -> None:  # noqa: ARG001 - an observer's signature
            if record.state == "complete":
                keep_best_models(study, ranked(tally.records), space.search.keep_models)

        executor, ends = SimulatedExecutor(seed), _Ends()
        setting = TrialSetting(PREPARED, STAMP, environment_facts(Path()))
        with (
            run_display(make_console(quiet=True), tally) as display,
            _times_of(study, "next") as asks,
            _times_of(study, "finish") as tells,
        ):
            started = time.perf_counter()
            Supervisor(study, executor, setting, [display, keep_models, ends]).run(total)
            run.seconds = time.perf_counter() - started
    run.epochs = len(executor.answers)
    last = ends.ends[-LAST:]
    epochs = sum(count for _, count in last[1:])
    run.last_rate = epochs / (last[-1][0] - last[0][0])
    run.answer = statistics.median(executor.answers[-epochs:])
    run.ask, run.tell = statistics.median(asks[-LAST:]), statistics.median(tells[-LAST:])
    run.megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return run


@contextmanager
def _times_of(target: object, name: str) -> Iterator[list[float]]:
    """Yield a list that receives the seconds of each call of a method while the block lasts."""
    method, seconds = getattr(target, name), []

    def timed(*arguments: object) -> object:
        started = time.perf_counter()
        try:
            return method(*arguments)
        finally:
            seconds.append(time.perf_counter() - started)

    setattr(target, name, timed)
    try:
        yield seconds
    finally:
        delattr(target, name)


def _fsync_seconds(folder: Path) -> float:
    """Return the median time to sync a file of a page after a write."""
    seconds = []
    with tempfile.TemporaryFile(dir=folder) as probe:
        for _ in range(50):
            probe.write(bytes(4096))
            probe.flush()
            seconds.append(_timed(os.fsync, probe.fileno()))
    return statistics.median(seconds)
