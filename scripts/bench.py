"""Measurements. `throughput`: images per second of the sweep's workers and of one plain TensorFlow process; `recipes`
(bench_recipes.py): the published systems, trained and compared with their published figures; `study` (bench_study.py):
studies of up to 10,000 simulated trials.

The speed of a shared machine varies, so both sides train the same models in turns, and only their ratio is meaningful.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import typer

from sweep.data.cache import Prepared
from sweep.data.loading import load
from sweep.data.preparation import prepare
from sweep.execution.child_call import call_in_child
from sweep.execution.executor import Task
from sweep.execution.fork_server_executor import ForkServerExecutor
from sweep.execution.start_order import ASKED_AHEAD
from sweep.execution.workers import default_slots
from sweep.records.home import Home
from sweep.records.image_facts import ImageFacts
from sweep.records.study_records import read_records
from sweep.records.trial_result import TrialResult
from sweep.space.config import TrialConfig
from sweep.space.corners import draw
from sweep.space.reader import Override, read_space

sys.path.insert(0, str(Path(__file__).parent))  # `python -P` does not add it
from bench_keras_tuner import keras_tuner_command
from bench_recipes import recipes
from bench_study import study_command

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(recipes)


app.command("keras-tuner")(keras_tuner_command)
app.command("study")(study_command)


@app.callback()
def main() -> None:
    """Measurements that docs/performance.md quotes."""


@app.command()
def throughput(
    space: Annotated[Path, typer.Option(help="Space from which random points are trained.")] = Path(
        "search_spaces/vgg.yaml"
    ),
    study: Annotated[str | None, typer.Option(help="Train the configurations of this study's trials instead.")] = None,
    data: Annotated[str, typer.Option(help="As in `sweep run`; ignored with --study.")] = "digits",
    limit: Annotated[int, typer.Option(help="Images of the training set, before the validation split.")] = 2000,
    epochs: Annotated[int, typer.Option(help="Epochs of each model.")] = 2,
    models: Annotated[int, typer.Option(help="Number of models.")] = 6,
    rounds: Annotated[int, typer.Option(help="Number of times that each side trains the models.")] = 2,
    home: Annotated[Path, typer.Option(help="Folder with studies/ and cache/.")] = Path(),
) -> None:
    """Train the same models in turns on the sweep's workers and in one process with TensorFlow's defaults."""
    configs = _configs(Home(home), space, study, data, models)
    configs = [_shortened(config, limit, epochs) for config in configs]
    prepared = prepare(configs[0].data, Home(home).cache)
    dataset = load(prepared, configs[0].data)
    stamp = dataset.stamp
    facts = ImageFacts(stamp.shape, len(stamp.classes), (0.5,) * stamp.shape[2], (0.25,) * stamp.shape[2])
    configs = _in_sweep_order(configs, call_in_child("sweep.training.model_probe:multiply_adds_of", configs, facts))
    images = len(dataset.train) * epochs * len(configs)
    sides = {
        "sweep": lambda: _on_workers(configs, prepared),
        "plain": lambda: _in_one_process(configs, prepared, "auto"),
        "plain, XLA off": lambda: _in_one_process(configs, prepared, False),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(1, rounds + 1):
        for name, run in sides.items():
            seconds[name].append(run())
            print(f"round {turn}: {name:<15} {images / seconds[name][-1]:8,.0f} images/s", flush=True)
    middle = {name: images / statistics.median(times) for name, times in seconds.items()}
    for name in ("plain", "plain, XLA off"):
        ratios = [other / own for own, other in zip(seconds["sweep"], seconds[name], strict=True)]
        print(f"sweep / {name}: {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")
    print(json.dumps({"models": len(configs), "images": images, "images_per_second": middle}))


def _configs(home: Home, space: Path, study: str | None, data: str, models: int) -> list[TrialConfig]:
    if study is not None:
        return [record.config for record in read_records(home.study(study))][:models]
    read = read_space(space, [Override("data.name", data, f"--data {data}")])
    generator = random.Random(0)
    return [read.config(draw(read, generator), seed=number) for number in range(models)]


def _in_sweep_order(configs: list[TrialConfig], costs: list[int]) -> list[TrialConfig]:
    """Sort the last configurations, the most expensive first, because a sweep starts them in this order."""
    first = max(len(configs) - ASKED_AHEAD * len(default_slots(None)), 0)
    last = sorted(range(first, len(configs)), key=lambda index: -costs[index])
    return [*configs[:first], *(configs[index] for index in last)]


def _shortened(config: TrialConfig, limit: int, epochs: int) -> TrialConfig:
    training = replace(config.training, epochs=epochs, early_stopping=None)
    return replace(config, data=replace(config.data, limit=limit), training=training)


def _on_workers(configs: list[TrialConfig], prepared: Prepared) -> float:
    """Return the seconds for all models, from the first fork to the last result, after TensorFlow is imported."""
    executor = ForkServerExecutor(default_slots(None))
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(len(configs)):
            Path(scratch, str(number)).mkdir()
        tasks = [Task(n, config, prepared, Path(scratch) / str(n)) for n, config in enumerate(configs)]
        _drain(executor, [replace(tasks[0], number=-1, config=_tiny(tasks[0].config))])  # waits for the import
        started = time.perf_counter()
        _drain(executor, tasks)
        return time.perf_counter() - started


def _tiny(config: TrialConfig) -> TrialConfig:
    return replace(config, data=replace(config.data, limit=200), training=replace(config.training, epochs=1))


def _drain(executor: ForkServerExecutor, waiting: list[Task]) -> None:
    running = 0
    while waiting or running:
        while waiting and running < executor.workers:
            executor.submit(waiting.pop(0), lambda metrics: metrics.epoch < 0)
            running += 1
        for outcome in executor.wait(1.0):
            running -= 1
            if not isinstance(outcome.ended, TrialResult):
                print(f"  model {outcome.number} failed: {outcome.ended}")


def _in_one_process(configs: list[TrialConfig], prepared: Prepared, jit_compile: str | bool) -> float:
    """Return the seconds for all models in a new process with TensorFlow's default settings, after its import."""
    context = multiprocessing.get_context("spawn")
    before = {name: os.environ.pop(name) for name in ("TF_ENABLE_ONEDNN_OPTS",) if name in os.environ}
    ours, theirs = context.Pipe()
    process = context.Process(target=_plain, args=(theirs, configs, prepared, jit_compile))
    process.start()
    seconds: float = ours.recv()
    process.join()
    os.environ.update(before)
    return seconds


def _plain(connection: Connection, configs: list[TrialConfig], prepared: Prepared, jit_compile: str | bool) -> None:
    """Build, compile and fit one model after the other on arrays."""
    import keras

    from sweep.models.build import build, compile_model
    from sweep.training.tf_batches import one_hot

    dataset = load(prepared, configs[0].data)
    facts = dataset.facts
    x, y = dataset.train.all_images(), one_hot(dataset.train.labels, facts.classes)
    held_out = (dataset.validation.all_images(), one_hot(dataset.validation.labels, facts.classes))
    started = time.perf_counter()
    for config in configs:
        model = build(config, facts, seed=0)
        compile_model(model, config)
        model.compile(optimizer=model.optimizer, loss=model.loss, metrics=["accuracy"], jit_compile=jit_compile)
        training = config.training
        model.fit(x, y, batch_size=training.batch_size, epochs=training.epochs, validation_data=held_out, verbose=0)
        keras.backend.clear_session()
    connection.send(time.perf_counter() - started)


if __name__ == "__main__":
    app()
