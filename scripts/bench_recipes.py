"""Trains the published systems on the sweep's workers and writes a table with their published figures."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.overrides import overrides_from_options
from sweep.commands.prerequisites import pin_weights, require_weights
from sweep.data.cache import Prepared
from sweep.data.preparation import prepare
from sweep.errors import WeightsError
from sweep.execution.child_call import call_in_child
from sweep.execution.executor import Outcome, Task
from sweep.execution.fork_server_executor import ForkServerExecutor
from sweep.execution.workers import default_slots
from sweep.records.home import Home
from sweep.records.trial_result import TrialResult, best_epoch
from sweep.space.config import TrialConfig
from sweep.space.reader import Override, read_space

RECIPES = Path(__file__).resolve().parents[1] / "search_spaces" / "recipes"

PUBLISHED = {
    "vgg1": "67.07 %",
    "vgg2": "71.08 %",
    "vgg3": "73.50 %",
    "vgg3-dropout": "83.45 %",
    "vgg3-weight-decay": "72.55 %",
    "vgg3-augmentation": "84.47 %",
    "vgg3-increasing-dropout": "84.69 %",
    "vgg3-dropout-augmentation": "85.88 %",
    "vgg3-full": "88.62 %",
    "vgg3-nadam-plateau": "82 %",
    "vgg3-full-l2": "88.57 %",
    "strided-48": "90.09 %",
    "strided-48-restart": "91.08 %",
    "batch-norm-net": "73.67 %",
    "six-layer-net": "validation loss 0.54",
    "two-block-net": "about 82 %",
    "two-block-net-augmentation": "about 85 %",
    "resnet50-fine-tuning": "about 91 %",
    "resnet50v2-transfer": "77.85 %",
    "vgg16-frozen": "63.6 %",
    "vgg16-last-block": "81 to 82.3 %",
}
"""Test accuracies on all of CIFAR-10 after all epochs of a recipe; most of them were selected on the test set."""


@dataclass(frozen=True)
class Run:
    """A recipe with a seed.

    Attributes:
        epochs: the published number of epochs; the configuration may have fewer epochs.
    """

    recipe: str
    epochs: int
    config: TrialConfig


@dataclass(frozen=True)
class Result:
    """The result of a run; `failure` is "" if the run has trained to its end."""

    run: Run
    validation: float = 0.0
    loss: float = 0.0
    test: float | None = None
    parameters: int = 0
    seconds: float = 0.0
    failure: str = ""


def recipes(
    data: Annotated[str, typer.Option(help="As in `sweep run`.")] = "cifar10",
    limit: Annotated[int | None, typer.Option(min=1, help="Images of the training set; all by default.")] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs of each recipe; the published number by default.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a value of each recipe. Repeatable."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each recipe.")] = 3,
    first_seed: Annotated[int, typer.Option(min=0, help="First seed, for more runs on another day.")] = 0,
    only: Annotated[str | None, typer.Option(metavar="A,B", help="Only these recipes.")] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Open the sealed test set at the end of each run. Never select by it.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="File of the table; studies/recipes.md by default.")] = None,
    home: Annotated[Path, typer.Option(help="Folder with studies/ and cache/.")] = Path(),
) -> None:
    """Train the published systems and compare them with their published figures; each run adds to the table."""
    names = _names(only)
    path = out or home / "studies" / "recipes.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    changes = overrides_from_options(settings, data=data, limit=limit or None, epochs=epochs or None)
    runs, skipped = _runs(names, changes, range(first_seed, first_seed + seeds))
    results = [Result(run, failure=reason) for run, reason in skipped]
    for result in results:
        print(_line(result), flush=True)
    for result in _train(runs, Home(home), test):
        results.append(result)
        print(_line(result), flush=True)
        path.write_text(table(names, results), encoding="utf-8")
    path.write_text(table(names, results), encoding="utf-8")
    print(table(names, results))
    print(f"written to {path}")


def _names(only: str | None) -> list[str]:
    if only is None:
        return list(PUBLISHED)
    names = only.split(",")
    unknown = [name for name in names if name not in PUBLISHED]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]}: expected one of {', '.join(PUBLISHED)}")
    return names


def _runs(names: Sequence[str], changes: Sequence[Override], seeds: range) -> tuple[list[Run], list[tuple[Run, str]]]:
    """Return the runs by seed, so that every recipe runs early, and the runs without weights, with the reason."""
    runs: list[Run] = []
    skipped: list[tuple[Run, str]] = []
    for name in names:
        published = read_space(RECIPES / f"{name}.yaml").config({}).training.epochs
        space = read_space(RECIPES / f"{name}.yaml", changes)
        try:
            space = pin_weights(space)
            require_weights(space, (32, 32, 3))
        except WeightsError as error:
            skipped.append((Run(name, published, space.config({})), str(error)))
            continue
        runs += [Run(name, published, space.config({}, seed=seed)) for seed in seeds]
    return sorted(runs, key=lambda run: run.config.seed), skipped


def _train(runs: Sequence[Run], home: Home, test: bool) -> Iterator[Result]:
    """Train on all workers; yield the results as the runs end."""
    executor = ForkServerExecutor(default_slots(None))
    waiting = list(enumerate(runs))
    prepared: dict[int, Prepared] = {}
    with tempfile.TemporaryDirectory() as scratch:
        try:
            while waiting or prepared:
                while waiting and len(prepared) < executor.workers:
                    number, run = waiting.pop(0)
                    prepared[number] = prepare(run.config.data, home.cache)
                    folder = Path(scratch) / str(number)
                    folder.mkdir()
                    task = Task(number, run.config, prepared[number], folder)
                    executor.submit(task, lambda metrics: metrics.epoch < 0)
                for outcome in executor.wait(1.0):
                    images = prepared.pop(outcome.number)
                    yield _result(runs[outcome.number], outcome, Path(scratch) / str(outcome.number), images, test)
        finally:
            executor.close()


def _result(run: Run, outcome: Outcome, folder: Path, prepared: Prepared, test: bool) -> Result:
    ended = outcome.ended
    if not isinstance(ended, TrialResult):
        return Result(run, failure=str(ended).splitlines()[0])
    best = best_epoch(ended.epochs, run.config.objective)
    accuracy = _test_accuracy(folder / str(ended.model_file), prepared, run.config.threads) if test else None
    return Result(run, best.val_accuracy, best.val_loss, accuracy, ended.parameters, ended.fit_seconds)


def _test_accuracy(model_file: Path, prepared: Prepared, threads: int) -> float:
    """Return the accuracy of a saved model on the sealed test set; nothing is selected by it."""
    found: float = call_in_child("bench_recipes:measure", model_file, prepared, threads)
    return found


def measure(model_file: Path, prepared: Prepared, threads: int) -> float:
    """Return the accuracy of a saved model on the sealed test set, in a process that may import TensorFlow."""
    import keras
    import numpy as np

    from sweep.data.sealed_test_part import open_test
    from sweep.training.tf_determinism import use_threads

    use_threads(threads)
    images, labels = open_test(prepared)
    outputs = keras.models.load_model(model_file, safe_mode=True).predict(images, batch_size=256, verbose=0)
    return float(np.mean(outputs.argmax(axis=1) == labels))


def _line(result: Result) -> str:
    name = f"{result.run.recipe} seed {result.run.config.seed}"
    if result.failure:
        return f"{name}: {result.failure}"
    test = f", test {result.test:.4f}" if result.test is not None else ""
    return f"{name}: validation {result.validation:.4f}{test}, {result.seconds:.0f} s"


def table(names: Sequence[str], results: Sequence[Result]) -> str:
    """Return Markdown: a row per recipe with results, with mean and standard deviation over its seeds."""
    head = (
        "recipe", "seeds", "epochs (published)", "validation accuracy", "validation loss", "test accuracy",
        "published test accuracy", "parameters", "s a run",
    )  # fmt: skip
    rows = [_row(name, found) for name in names if (found := [r for r in results if r.run.recipe == name])]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)) + "\n"


def _row(name: str, results: Sequence[Result]) -> list[str]:
    good = [result for result in results if not result.failure]
    run = results[0].run
    epochs = f"{run.config.training.epochs} ({run.epochs})"
    if not good:
        return [name, "0", epochs, results[0].failure.partition(":")[0], "", "", PUBLISHED[name], "", ""]
    tests = [result.test for result in good if result.test is not None]
    return [
        name,
        str(len(good)) + (f" ({len(results) - len(good)} failed)" if len(good) < len(results) else ""),
        epochs,
        _mean([result.validation for result in good], percent=True),
        _mean([result.loss for result in good], percent=False),
        _mean(tests, percent=True),
        PUBLISHED[name],
        f"{good[0].parameters:,}",
        f"{statistics.mean(result.seconds for result in good):.0f}",
    ]


def _mean(values: Sequence[float], percent: bool) -> str:
    if not values:
        return "-"
    scale, unit, digits = (100, " %", 2) if percent else (1, "", 3)
    spread = f" ± {scale * statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{scale * statistics.mean(values):.{digits}f}{spread}{unit}"
