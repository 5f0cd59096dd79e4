"""`sweep reproduce`: train a trial again in a new process and compare it with its record."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from sweep.analysis.formatting import count
from sweep.analysis.record_comparison import Comparison, compare_with_record
from sweep.commands.output_files import output_errors
from sweep.commands.prerequisites import prepare_images
from sweep.data.loading import load
from sweep.errors import DataError, ModelError, TrialFailure
from sweep.execution.executor import Executor, Task
from sweep.execution.fork_server_executor import ForkServerExecutor, warm_up
from sweep.execution.workers import default_slots
from sweep.records.environment import environment_facts
from sweep.records.home import Home
from sweep.records.image_facts import DataStamp
from sweep.records.trial_record import TrialRecord
from sweep.records.trial_result import EpochMetrics, TrialResult
from sweep.reporting.notebook_tables import pairs_html
from sweep.space.model_sections import HypermodelConfig, UserBuilderConfig
from sweep.space.pinned_files import changed_source


class Repeat(NamedTuple):
    """A trial's second run. A failed or stopped run has no digest and no file; `failure` is "" unless it failed."""

    epochs: tuple[EpochMetrics, ...]
    weights_digest: str | None
    failure: str
    model_file: str | None


@dataclasses.dataclass(frozen=True, repr=False)
class Reproduction:
    """How the second run of a trial compares with its record.

    Attributes:
        record: record of the first run.
        epochs: epochs of the second run.
        failure: why the second run failed; "" if it did not.
        comparison: comparison of both runs.
        model_file: model of the second run, if there is one and files are kept.
    """

    record: TrialRecord
    epochs: tuple[EpochMetrics, ...]
    failure: str
    comparison: Comparison
    model_file: Path | None

    @property
    def verdict(self) -> str:
        """`EXACT`, `WITHIN x` (the largest difference of any metric in any epoch) or `DIVERGED at epoch n`."""
        return self.comparison.verdict

    @property
    def holds(self) -> bool:
        """True if the result was reproduced within the tolerance."""
        return self.comparison.holds

    def as_mapping(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        trial = {"study": self.record.study, "trial": self.record.number}
        return {**trial, **dataclasses.asdict(self.comparison), "failure": self.failure}

    def __repr__(self) -> str:
        return f"<Reproduction of trial {self.record.number} of {self.record.study}: {self.verdict}>"

    def _repr_html_(self) -> str:
        weights = {None: "not compared", True: "the same", False: "different"}[self.comparison.same_weights]
        rows = [("epochs", f"{len(self.epochs)} of {len(self.record.epochs)}"), ("final weights", weights)]
        rows += [("failure", self.failure)] if self.failure else []
        rows += [("environment", difference) for difference in self.comparison.environment]
        rows += [("model", str(self.model_file))] if self.model_file else []
        return pairs_html(f"Trial {self.record.number} of {self.record.study} again: {self.verdict}", rows)


def run_again(
    record: TrialRecord, home: Home, tolerance: float, console: Console, folder: Path | None = None
) -> Reproduction:
    """Train a trial again and compare.

    Args:
        record: record of the trial.
        home: the folder with the cache of images.
        tolerance: largest difference of a metric that still counts as the same result.
        console: shows every epoch and the verdict.
        folder: folder for the files of the second run; None keeps no files.

    Raises:
        UserError: the images are missing or have changed, or the folder cannot be made.
    """
    value = f", {record.config.objective} {record.objective_value:.4f}" if record.objective_value is not None else ""
    epochs = count(len(record.epochs), "epoch")
    console.print(f"training trial {record.number:04d} of {record.study} ({record.state}{value}) again for {epochs}")
    _check_source(record)
    executor = ForkServerExecutor(default_slots(1))
    warm_up()
    prepared = prepare_images(record.config.data, home.cache, console)
    _check_data(record, load(prepared, record.config.data).stamp)
    if folder:
        with output_errors(folder, "the argument `folder`"):
            folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        task = Task(record.number, record.config, prepared, folder or Path(scratch))
        repeat = repeat_trial(record, task, executor, console)
    comparison = compare_with_record(
        record.epochs,
        repeat.epochs,
        (record.weights_digest, repeat.weights_digest),
        (record.environment, environment_facts(home.root)),
        tolerance,
        (cause_of(record), _comparable(repeat.failure.partition(":")[0])),
    )
    kept = folder / repeat.model_file if folder and repeat.model_file else None
    found = Reproduction(record, repeat.epochs, repeat.failure, comparison, kept)
    _print(found, console)
    return found


def cause_of(record: TrialRecord) -> str:
    """Return why a trial failed; "" if it did not. Old records have no `cause`; it is then taken from `reason`."""
    if record.cause is None and record.state == "pruned":
        by_policy = re.fullmatch(r"pruned after \d+ epochs \((\w+)\)", record.reason)
        return _comparable(by_policy[1]) if by_policy else ""
    return _comparable(record.cause or (record.reason if record.state == "failed" else ""))


def _comparable(cause: str) -> str:
    """Return the cause, with "killed" for "oom": unlike a sweep, this command cannot distinguish these two causes."""
    return "killed" if cause == "oom" else cause


def _check_source(record: TrialRecord) -> None:
    """Raise ModelError if the source of a user's model is missing or has changed."""
    section = record.config.model
    changed = changed_source(section) if isinstance(section, UserBuilderConfig | HypermodelConfig) else ""
    if changed:
        raise ModelError(
            f"the source of the model has changed since trial {record.number} was trained: {changed}; restore it"
        )


def _check_data(record: TrialRecord, stamp: DataStamp) -> None:
    """Raise DataError if the images or their split have changed since the trial was trained."""
    changed = [
        f"{name}: {getattr(record.data, name)} -> {value}"
        for name, value in dataclasses.asdict(stamp).items()
        if getattr(record.data, name) != value
    ]
    if changed:
        raise DataError(
            f"the images of {record.config.data.name} are not those that trial {record.number} was trained on: "
            + f"{'; '.join(changed)}. Restore the images"
        )


def repeat_trial(record: TrialRecord, task: Task, executor: Executor, console: Console) -> Repeat:
    """Train again for as many epochs as the record has, and print each epoch next to the recorded one."""
    epochs: list[EpochMetrics] = []

    def on_epoch(metrics: EpochMetrics) -> bool:
        epochs.append(metrics)
        _print_epoch(record, metrics, console)
        return record.state != "complete" and cause_of(record) != "nan" and len(epochs) >= len(record.epochs)

    try:
        executor.submit(task, on_epoch)
        outcomes = executor.wait(1.0)
        while not outcomes:
            outcomes = executor.wait(1.0)
    finally:
        executor.close()  # end the child even if a notebook, whose process continues, is interrupted
    ended = outcomes[0].ended
    if isinstance(ended, TrialResult):
        return Repeat(ended.epochs, ended.weights_digest, "", ended.model_file)
    failure = f"{ended.cause}: {ended.message}" if isinstance(ended, TrialFailure) else ""
    return Repeat(tuple(epochs), None, failure, None)


def _print_epoch(record: TrialRecord, metrics: EpochMetrics, console: Console) -> None:
    text = f"epoch {metrics.epoch}: val_accuracy {metrics.val_accuracy:.6f}, val_loss {metrics.val_loss:.6f}"
    if metrics.epoch <= len(record.epochs):
        old = record.epochs[metrics.epoch - 1]
        same = (old.val_accuracy, old.val_loss) == (metrics.val_accuracy, metrics.val_loss)
        text += "  same" if same else f"  recorded {old.val_accuracy:.6f}, {old.val_loss:.6f}"
    console.print(text)


def _print(found: Reproduction, console: Console) -> None:
    record, comparison = found.record, found.comparison
    console.print(Text(comparison.verdict, style="bold green" if comparison.holds else "bold red"))
    if found.failure:
        recorded = f"{record.reason}: {record.message.splitlines()[0]}" if record.message else "no failure"
        console.print(f"the second run failed: {found.failure} (recorded: {recorded})")
    if comparison.verdict != "EXACT":
        if comparison.same_weights is False:
            console.print("the final weights differ")
        for difference in comparison.environment or ("the environment is the same",):
            console.print(f"  {difference}")
    if found.model_file:
        console.print(f"model        {found.model_file}")
