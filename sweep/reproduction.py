"""Running a trial again in a fresh process and holding it against its record."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from sweep.analysis.comparison import Comparison, compare
from sweep.data.loading import load
from sweep.data.stamp import DataStamp
from sweep.errors import DataError, ModelError, TrialFailure
from sweep.execution.executor import Executor, Task
from sweep.execution.forkserver import ForkServerExecutor, warm_up
from sweep.execution.workers import default_slots
from sweep.home import Home
from sweep.session import prepare_images
from sweep.space.config import HypermodelConfig, OwnBuilderConfig
from sweep.space.signatures import changed_source
from sweep.study.records import TrialRecord
from sweep.study.study import find_record
from sweep.terminal.console import make_console
from sweep.training.environment import environment_facts
from sweep.training.result import EpochMetrics, TrialResult


@dataclasses.dataclass(frozen=True)
class Repeat:
    """The second run of a trial.

    Attributes:
        weights_digest: None where training failed.
        failure: as the record would have it, "" where it did not fail.
    """

    epochs: tuple[EpochMetrics, ...]
    weights_digest: str | None
    failure: str


def reproduce_command(root: Path, study: str, number: int | None, tolerance: float, as_json: bool) -> int:
    """Run the command.

    Returns:
        The exit code: 0 when the result was reproduced, else 1.

    Raises:
        UserError: there is no such trial, or its images are not to be had.
    """
    home = Home(root)
    console = make_console(as_json=as_json)
    record = find_record(home.study(study), number)
    _announce(record, console)
    _check_source(record)
    executor = ForkServerExecutor(default_slots(1))
    warm_up()
    prepared = prepare_images(record.config.data, home.cache, console)
    stamp = load(prepared, record.config.data).stamp
    _check_data(record, stamp)
    with tempfile.TemporaryDirectory() as scratch:
        task = Task(record.number, record.config, prepared, Path(scratch))
        repeat = repeat_trial(record, task, executor, console)
    comparison = compare(
        record.epochs,
        repeat.epochs,
        (record.weights_digest, repeat.weights_digest),
        (record.environment, environment_facts(home.root)),
        tolerance,
    )
    _print(record, repeat, comparison, console, as_json)
    return 0 if comparison.holds else 1


def _announce(record: TrialRecord, console: Console) -> None:
    value = f", {record.config.objective} {record.objective_value:.4f}" if record.objective_value is not None else ""
    console.print(
        f"trial {record.number:04d} of {record.study} ({record.state}{value}): {len(record.epochs)} epochs again",
    )


def _check_source(record: TrialRecord) -> None:
    """The same bits need the same code of the user's.

    Raises:
        ModelError: the source of the trial's model is gone or has changed.
    """
    section = record.config.model
    changed = changed_source(section) if isinstance(section, OwnBuilderConfig | HypermodelConfig) else ""
    if changed:
        raise ModelError(f"trial {record.number} was trained with another source of its model: {changed}; restore it")


def _check_data(record: TrialRecord, stamp: DataStamp) -> None:
    """The same bits need the same images.

    Raises:
        DataError: the images or their split are not those of the record.
    """
    changed = [
        f"{field.name}: {getattr(record.data, field.name)} -> {getattr(stamp, field.name)}"
        for field in dataclasses.fields(DataStamp)
        if getattr(record.data, field.name) != getattr(stamp, field.name)
    ]
    if changed:
        raise DataError(
            f"the images of {record.config.data.name} are not those that trial {record.number} was trained on: "
            + "; ".join(changed)
        )


def repeat_trial(record: TrialRecord, task: Task, executor: Executor, console: Console) -> Repeat:
    """Train again, as many epochs as the record has, and print each beside the recorded one."""
    epochs: list[EpochMetrics] = []

    def on_epoch(metrics: EpochMetrics) -> bool:
        epochs.append(metrics)
        _print_epoch(record, metrics, console)
        return record.state != "complete" and record.reason != "nan" and len(epochs) >= len(record.epochs)

    executor.submit(task, on_epoch)
    outcomes = executor.wait(1.0)
    while not outcomes:
        outcomes = executor.wait(1.0)
    executor.close()
    ended = outcomes[0].ended
    if isinstance(ended, TrialResult):
        return Repeat(ended.epochs, ended.weights_digest, "")
    return Repeat(tuple(epochs), None, f"{ended.cause}: {ended.message}" if isinstance(ended, TrialFailure) else "")


def _print_epoch(record: TrialRecord, metrics: EpochMetrics, console: Console) -> None:
    told = f"epoch {metrics.epoch}: val_accuracy {metrics.val_accuracy:.6f}, val_loss {metrics.val_loss:.6f}"
    if metrics.epoch <= len(record.epochs):
        old = record.epochs[metrics.epoch - 1]
        same = (old.val_accuracy, old.val_loss) == (metrics.val_accuracy, metrics.val_loss)
        told += "  same" if same else f"  recorded {old.val_accuracy:.6f}, {old.val_loss:.6f}"
    console.print(told)


def _print(record: TrialRecord, repeat: Repeat, comparison: Comparison, console: Console, as_json: bool) -> None:
    if as_json:
        told = {
            "study": record.study,
            "trial": record.number,
            **dataclasses.asdict(comparison),
            "failure": repeat.failure,
        }
        print(json.dumps(told))
    console.print(Text(comparison.verdict, style="bold green" if comparison.holds else "bold red"))
    if repeat.failure:
        recorded = f"{record.reason}: {record.message.splitlines()[0]}" if record.message else "no failure"
        console.print(f"failed again: {repeat.failure} (recorded: {recorded})")
    if comparison.verdict != "EXACT":
        if comparison.same_weights is False:
            console.print("the final weights differ")
        for difference in comparison.environment or ("the environment is the same",):
            console.print(f"  {difference}")
