"""The same space and the same number of trials, searched by a sweep and by KerasTuner's tuners."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from sweep.space.reader import Override, read_space
from sweep.space.space import Space


@dataclass(frozen=True)
class Side:
    """The result of one search.

    Attributes:
        best: the objective of the best trial.
        seconds: wall time, imports included.
    """

    name: str
    best: float
    seconds: float


def keras_tuner_command(
    space: Annotated[Path, typer.Option(help="The space to search.")] = Path("search_spaces/vgg.yaml"),
    data: Annotated[str, typer.Option(help="As in `sweep run`.")] = "digits",
    limit: Annotated[int, typer.Option(help="Images of the training set, before the validation split.")] = 600,
    epochs: Annotated[int, typer.Option(help="Maximum epochs per trial.")] = 5,
    trials: Annotated[int, typer.Option(help="Trials of each side, including Hyperband's short trials.")] = 8,
    home: Annotated[Path, typer.Option(help="Folder with cache/.")] = Path(),
) -> None:
    """Search a space with a sweep and with RandomSearch, BayesianOptimization and Hyperband of KerasTuner."""
    words = {"data.name": data, "data.limit": str(limit), "training.epochs": str(epochs)}
    read = read_space(space, [Override(key, text, f"--set {key}={text}") for key, text in words.items()])
    sides: dict[str, Callable[[], float]] = {"sweep": lambda: _sweep(space, words, trials)}
    for name in ("RandomSearch", "BayesianOptimization", "Hyperband"):
        sides[name] = _tuner(name, read, trials, epochs, home)
    found = []
    for name, run in sides.items():
        started = time.perf_counter()
        found.append(Side(name, run(), time.perf_counter() - started))
        print(f"{name:<22} best {read.search.objective} {found[-1].best:.4f} in {found[-1].seconds:7.1f} s", flush=True)
    print(json.dumps({side.name: {"best": side.best, "seconds": side.seconds} for side in found}))


def _sweep(space: Path, words: dict[str, str], trials: int) -> float:
    """Run the command as a user types it, in a separate folder."""
    settings = [word for key, text in words.items() for word in ("--set", f"{key}={text}")]
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "sweep.run", "--space", str(space), "--trials", str(trials), "--json"]
        done = subprocess.run([*command, *settings, "--home", home], stdout=subprocess.PIPE, text=True, check=True)
    best = json.loads(done.stdout)["best"][0]
    return float(best.get("val_accuracy", best.get("val_loss")))


def _tuner(name: str, space: Space, trials: int, epochs: int, home: Path) -> Callable[[], float]:
    """Return a function that searches with a tuner of KerasTuner, which trains in this process."""

    def run() -> float:
        import keras_tuner

        from sweep.bridges.to_keras_tuner import hypermodel, objective_of

        limits: dict[str, Any] = {"max_trials": trials}
        if name == "Hyperband":
            limits = {"max_epochs": epochs, "hyperband_iterations": 1}
        with tempfile.TemporaryDirectory() as folder:
            model = hypermodel(space, cache=home / "cache")
            tuner = getattr(keras_tuner, name)(
                model, objective=objective_of(space), seed=space.search.seed, directory=folder, **limits
            )
            if name == "Hyperband":
                tuner.oracle.max_trials = trials
            tuner.search(verbose=0)
            return float(tuner.oracle.get_best_trials(1)[0].score)

    return run
