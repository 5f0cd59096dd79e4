"""Is anything lost when processes are killed? Runs a sweep twice: undisturbed, and with SIGKILLs at random times.

After each kill of the supervisor, the same command starts again. In the end, both studies and both MLflow stores must
contain the same trials, to the bit. With one worker, the sampler is TPE with a median pruner, so that points and
pruning depend on all earlier trials. With more workers, the order in which trials end depends on the clock, so points
are random (a function of seed and trial number) and nothing is pruned.
"""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import optuna
import psutil
import typer
from mlflow import MlflowClient
from mlflow.entities import Run

from sweep.records.study_records import read_records
from sweep.records.trial_record import TrialRecord

SPACE = Path(__file__).with_name("torture.yaml")
STUDY = "torture"
POLL_SECONDS = 0.1
METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}


@dataclass
class Disturbed:
    """A sweep that was killed repeatedly.

    Attributes:
        seconds: from the first start to the end.
        killed: number of kills by kind of process.
    """

    seconds: float = 0.0
    killed: Counter[str] = field(default_factory=Counter)


def main(
    trials: Annotated[int, typer.Option(min=1, help="Trials of the sweep.")] = 8,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs per trial.")] = 8,
    kills: Annotated[int, typer.Option(min=0, help="SIGKILLs during each disturbed sweep.")] = 20,
    seed: Annotated[
        list[int] | None, typer.Option(help="Seed of the times and processes to kill. Repeatable: one sweep per seed.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Trials at a time; 1 uses TPE and a median pruner.")] = 2,
    image_size: Annotated[int, typer.Option(help="Enlarge the digits to this size, which trains longer.")] = 8,
    limit: Annotated[int | None, typer.Option(help="Number of digits to use; all by default.")] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Folder of the sweeps; an earlier undisturbed sweep is reused. A new folder by default."),
    ] = None,
) -> None:
    """Kill a sweep's processes at random times and compare the result with an undisturbed sweep."""
    place = folder or Path(tempfile.mkdtemp(prefix="torture-"))
    settings = [f"training.epochs={epochs}", f"data.image_size={image_size}"]
    settings += _history(epochs) if workers == 1 else []
    settings += [f"data.limit={limit}"] if limit else []
    words = ["--space", str(SPACE), "--trials", str(trials), "--workers", str(workers)]
    words += [word for setting in settings for word in ("--set", setting)]
    undisturbed = place / "undisturbed"
    seconds = _run_undisturbed(words, undisturbed)
    print(f"undisturbed: {seconds:.1f} s, {_summary(undisturbed)}", flush=True)
    different = 0
    for number in seed or [1]:
        home = place / f"kills-{number}"
        ran = _run_disturbed(
            words, home, kills, _finished_epochs(undisturbed), _epoch_seconds(undisturbed), random.Random(number)
        )
        found = list(_differences(undisturbed, home, trials))
        if sum(ran.killed.values()) < kills:
            found.append(f"only {sum(ran.killed.values())} of {kills} kills happened before the end: use longer trials")
        _print(number, ran, seconds, found, undisturbed, home)
        different += len(found)
    print(f"all sweeps are in {place}")
    raise typer.Exit(1 if different else 0)


def _history(epochs: int) -> list[str]:
    """Return settings with which points and pruning depend on earlier trials, and trials are pruned late."""
    pruner = f"{{name: median, startup_trials: 2, warmup_epochs: {epochs * 5 // 8}}}"
    return ["search.sampler=tpe", "search.startup_trials=3", f"search.pruner={pruner}"]


def _command(words: list[str], home: Path) -> list[str]:
    return [sys.executable, "-P", "-m", "sweep.run", *words, "--home", str(home)]


def _start(words: list[str], home: Path) -> subprocess.Popen[bytes]:
    home.mkdir(parents=True, exist_ok=True)
    with (home / "output.txt").open("ab") as output:
        return subprocess.Popen(_command(words, home), stdout=output, stderr=subprocess.STDOUT)


def _run_undisturbed(words: list[str], home: Path) -> float:
    """Return the seconds of an undisturbed sweep; an earlier sweep with the same options is not repeated."""
    note = home / "undisturbed.json"
    if note.is_file() and (earlier := json.loads(note.read_text()))["words"] == words:
        return float(earlier["seconds"])
    started = time.perf_counter()
    if _start(words, home).wait() != 0:
        raise SystemExit(f"the undisturbed sweep failed:\n{(home / 'output.txt').read_text()}")
    seconds = time.perf_counter() - started
    note.write_text(json.dumps({"words": words, "seconds": seconds}))
    return seconds


def _run_disturbed(
    words: list[str], home: Path, kills: int, epochs: int, epoch_seconds: float, generator: random.Random
) -> Disturbed:
    """Run the sweep, and start it again whenever its supervisor was killed.

    The moments of the kills depend on the work, not on the clock: a number of epochs of the whole sweep, plus a
    fraction of the usual time of an epoch. Otherwise the sweep would be killed again before it has started.
    """
    ran = Disturbed()
    started = time.perf_counter()
    process = _start(words, home)
    for moment in sorted(generator.uniform(0.0, epochs) for _ in range(kills)):
        if not _reached(process, home, int(moment)) or _ended_within(process, moment % 1 * epoch_seconds):
            break
        kind, victim = generator.choice(_victims(process.pid, home))
        _kill(victim)
        ran.killed[kind] += 1
        if kind == "supervisor":
            process.wait()
            process = _start(words, home)
    if process.wait() != 0:
        raise SystemExit(f"the disturbed sweep failed:\n{(home / 'output.txt').read_text()}")
    ran.seconds = time.perf_counter() - started
    return ran


def _finished_epochs(home: Path) -> int:
    """Return the number of recorded epochs of all trials."""
    if not (home / "studies" / STUDY / "study.db").exists():
        return 0
    return sum(len(record.epochs) for record in _records(home).values())


def _epoch_seconds(home: Path) -> float:
    """Return the median time of an epoch."""
    return statistics.median(metrics.seconds for record in _records(home).values() for metrics in record.epochs)


def _reached(process: subprocess.Popen[bytes], home: Path, epochs: int) -> bool:
    """Wait until the sweep has finished this number of epochs; False if the sweep ended before that."""
    while _finished_epochs(home) < epochs:
        if _ended_within(process, POLL_SECONDS):
            return False
    return True


def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _victims(supervisor: int, home: Path) -> list[tuple[str, int]]:
    """Return the processes of a sweep: the supervisor, its fork server, the trials.

    A trial is recognized by its open log, because it has no parent after its fork server was killed.
    """
    found = [("supervisor", supervisor)]
    place = home.resolve()
    with suppress(psutil.NoSuchProcess):  # the process ended during the check
        found += [("fork server", one.pid) for one in psutil.Process(supervisor).children() if _is_forked(one)]
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if _is_forked(process) and any(Path(file.path).is_relative_to(place) for file in process.open_files()):
                found.append(("trial", process.pid))
    return found


def _is_forked(process: psutil.Process) -> bool:
    return "multiprocessing.forkserver" in " ".join(process.cmdline())


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # the process ended before the kill
        os.kill(pid, signal.SIGKILL)


def _differences(undisturbed: Path, home: Path, trials: int) -> Iterator[str]:
    yield from _record_differences(_records(undisturbed), _records(home), trials)
    yield from _study_differences(_stored(undisturbed), _stored(home))
    yield from _mlflow_differences(_records(home), home)
    left = [str(path.relative_to(home)) for path in home.glob("studies/*/trials/*/checkpoint-*")]
    if left:
        yield f"checkpoints of ended trials were not removed: {', '.join(left)}"


def _records(home: Path) -> dict[int, TrialRecord]:
    return {record.number: record for record in read_records(home / "studies" / STUDY)}


def _bits(record: TrialRecord) -> TrialRecord:
    """Return the record without the values that differ between two runs of the same trial: times and `model_file`."""
    epochs = tuple(replace(metrics, seconds=0.0) for metrics in record.epochs)
    return replace(record, epochs=epochs, timings={}, started="", finished=None, model_file=None)


def _record_differences(
    undisturbed: dict[int, TrialRecord], disturbed: dict[int, TrialRecord], trials: int
) -> Iterator[str]:
    if sorted(disturbed) != list(range(trials)):
        yield f"expected trials 0 to {trials - 1}, found {sorted(disturbed)}"
    for number, record in sorted(disturbed.items()):
        if number in undisturbed and _bits(record) != _bits(undisturbed[number]):
            yield f"trial {number}: {_first_difference(undisturbed[number], record)}"


def _first_difference(undisturbed: TrialRecord, disturbed: TrialRecord) -> str:
    for name, expected in vars(_bits(undisturbed)).items():
        received = getattr(_bits(disturbed), name)
        if received != expected:
            return f"{name}: {expected} without, {received} with kills"
    return "the same"


def _stored(home: Path) -> list[dict[str, Any]]:
    """Return the study as Optuna stores it."""
    study = optuna.load_study(study_name=STUDY, storage=f"sqlite:///{home}/studies/{STUDY}/study.db")
    return [
        {
            "number": trial.number,
            "state": trial.state.name,
            "values": trial.values,
            "params": trial.params,
            "reported": trial.intermediate_values,
        }
        for trial in study.get_trials(deepcopy=False)
    ]


def _study_differences(undisturbed: list[dict[str, Any]], disturbed: list[dict[str, Any]]) -> Iterator[str]:
    if len(undisturbed) != len(disturbed):
        yield f"Optuna has {len(disturbed)} trials instead of {len(undisturbed)}"
    for expected, received in zip(undisturbed, disturbed, strict=False):
        for key in expected:
            if expected[key] != received[key]:
                yield f"Optuna's trial {expected['number']}: {key}: {expected[key]} without, {received[key]} with kills"


def _mlflow_differences(records: dict[int, TrialRecord], home: Path) -> Iterator[str]:
    """Yield differences: MLflow must have an ended run for each trial, once, with each point of its metrics once."""
    client = MlflowClient(f"sqlite:///{home}/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name(STUDY)
    runs = list(client.search_runs([experiment.experiment_id])) if experiment else []
    children = [run for run in runs if "sweep.trial" in run.data.tags]
    for run in runs:
        if run not in children and run.info.status != "FINISHED":
            yield f"MLflow's run of the study is {run.info.status}"
    if len(runs) - len(children) != 1:
        yield f"MLflow has {len(runs) - len(children)} runs of the study instead of 1"
    if sorted(int(run.data.tags["sweep.trial"]) for run in children) != sorted(records):
        yield f"expected trials {sorted(records)} in MLflow, found {[run.data.tags['sweep.trial'] for run in children]}"
    for run in children:
        yield from _run_differences(client, run, records[int(run.data.tags["sweep.trial"])])


def _run_differences(client: MlflowClient, run: Run, record: TrialRecord) -> Iterator[str]:
    if run.info.status != STATUS[record.state]:
        yield f"MLflow's run of trial {record.number} is {run.info.status}, the trial is {record.state}"
    for key in METRICS:
        held = [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, key)]
        if sorted(held) != [(metrics.epoch, getattr(metrics, key)) for metrics in record.epochs]:
            yield f"MLflow's run of trial {record.number}: {key} is {held}"


def _summary(home: Path) -> str:
    states = Counter(record.state for record in _records(home).values())
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items()))


def _pace(undisturbed: dict[int, TrialRecord], disturbed: dict[int, TrialRecord]) -> float:
    """Return how much slower the same epochs are with kills. The lower quartile is used, because about a third of the
    epochs were slower for another reason: they started twice or ran while another process started."""
    pairs = [
        again.seconds / first.seconds
        for number, record in disturbed.items()
        if number in undisturbed
        for first, again in zip(undisturbed[number].epochs, record.epochs, strict=False)
    ]
    return statistics.quantiles(pairs)[0] if len(pairs) > 1 else 1.0


def _print(seed: int, ran: Disturbed, seconds: float, found: list[str], undisturbed: Path, home: Path) -> None:
    kinds = ", ".join(f"{count} x {kind}" for kind, count in sorted(ran.killed.items()))
    print(f"\nseed {seed}: {sum(ran.killed.values())} kills ({kinds})")
    print("trial  state      epochs  weights (undisturbed)  weights (killed)  same")
    before, after = _records(undisturbed), _records(home)
    for number, record in sorted(after.items()):
        expected = before.get(number)
        same = expected is not None and _bits(expected) == _bits(record)
        digests = [(one.weights_digest or "-")[:16] if one else "-" for one in (expected, record)]
        state = f"{number:04d}   {record.state:<9}  {len(record.epochs):>6}"
        print(f"{state}  {digests[0]:<21}  {digests[1]:<16}  {'yes' if same else 'NO'}")
    for difference in found:
        print(f"DIFFERENT: {difference}")
    print(f"wall time {ran.seconds:.1f} s against {seconds:.1f} s undisturbed: {ran.seconds / seconds:.2f} times")
    print(f"epochs without an interruption took {_pace(before, after):.2f} times as long: the machine's load")
    print(f"number of differences: {len(found)}" if found else "everything is the same", flush=True)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
