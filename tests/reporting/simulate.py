"""Studies of any size without training: points drawn at random, learning curves in closed form, median pruning."""

from __future__ import annotations

import math
import random
import statistics
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sweep.records.image_facts import DataStamp
from sweep.records.trial_record import TrialRecord, trial_folder, write_record
from sweep.records.trial_result import EpochMetrics
from sweep.space.corners import draw
from sweep.space.parameters import Values
from sweep.space.reader import space_from_text
from sweep.space.space import Space
from sweep.study.open_study import open_study

EPOCHS = 30
WARMUP = 5
STAMP = DataStamp(
    digest="d" * 64, split="5" * 64, train=45_000, validation=5_000, shape=(32, 32, 3), classes=("cat", "dog", "ship")
)
SPACE = f"""
study: simulated
data: {{name: cifar10}}
model:
  builder: vgg
  blocks: {{low: 1, high: 4}}
  filters: {{each: blocks, choices: [16, 32, 64]}}
  batch_norm: [true, false]
  l2: {{low: 1.0e-6, high: 1.0e-2, log: true, or: 0}}
  dropout:
    schedule: [none, constant]
    start: {{low: 0.05, high: 0.5, when: {{schedule: constant}}}}
training:
  epochs: {EPOCHS}
  batch_size: [32, 64, 128]
  optimizer: [sgd, adam]
  momentum: {{low: 0.8, high: 0.99, when: {{optimizer: sgd}}}}
  learning_rate: {{low: 1.0e-4, high: 1.0e-2, log: true}}
augmentation: {{strength: {{low: 0.0, high: 1.0}}, flip: horizontal, shift: 0.1}}
search: {{sampler: random, pruner: {{name: median, warmup_epochs: {WARMUP}}}}}
"""
"""The learning rate matters most and is best at the upper end of its range; then blocks and augmentation."""


def simulated_space(text: str = SPACE) -> Space:
    """The space of the simulated study."""
    return space_from_text(text, "simulated.yaml")


def simulate(count: int, *, seed: int = 0, space: Space | None = None, stamp: DataStamp = STAMP) -> list[TrialRecord]:
    """Return the records of a study with this number of trials: about half of them pruned, one in 25 failed."""
    space, generator = space or simulated_space(), random.Random(seed)
    medians: dict[int, list[float]] = {epoch: [] for epoch in range(1, EPOCHS + 1)}
    clock = datetime(2025, 1, 2, 10, tzinfo=UTC)
    records = []
    for number in range(count):
        values = draw(space, generator)
        record = _trial(space, number, values, generator, medians, stamp, clock)
        clock += timedelta(seconds=record.timings["total"] / 2)  # two trials run at a time
        records.append(record)
    return records


def _trial(
    space: Space,
    number: int,
    values: Values,
    generator: random.Random,
    medians: dict[int, list[float]],
    stamp: DataStamp,
    started: datetime,
) -> TrialRecord:
    limit = space.config(values).training.epochs
    epochs = _curve(values, generator, limit)
    fails = generator.random() < 0.04
    cut = next((e.epoch for e in epochs if WARMUP <= e.epoch < limit and _behind(e, medians, number)), None)
    if fails or cut:
        epochs = epochs[: 3 if fails else cut]
    else:
        for metrics in epochs:
            medians.setdefault(metrics.epoch, []).append(metrics.val_accuracy)
    best = max(epochs, key=lambda metrics: metrics.val_accuracy)
    fit = math.fsum(metrics.seconds for metrics in epochs)
    timings = {"total": fit + 3.5} if fails else {"build": 0.8, "fit": fit, "total": fit + 3.5}
    ends = (
        ("failed", "nan")
        if fails
        else ("pruned", f"pruned at epoch {cut} (median)")
        if cut
        else ("complete", "all epochs")
    )
    return TrialRecord(
        study=space.study,
        number=number,
        state=ends[0],  # type: ignore[arg-type]
        reason=ends[1],
        config=space.config(values, seed=number),
        values=values,
        data=stamp,
        environment={"version.tensorflow": "2.21.0"},
        started=started.isoformat(timespec="milliseconds"),
        finished=(started + timedelta(seconds=timings["total"])).isoformat(timespec="milliseconds"),
        message="the loss was nan after epoch 3\nTraceback (most recent call last): …" if fails else "",
        epochs=tuple(epochs),
        best_epoch=None if fails else best.epoch,
        objective_value=None if fails else best.val_accuracy,
        parameters=10_000 * int(values.get("blocks") or 1),
        timings=timings,
    )


def _behind(metrics: EpochMetrics, medians: dict[int, list[float]], number: int) -> bool:
    seen = medians[metrics.epoch]
    return number >= 5 and len(seen) >= 5 and metrics.val_accuracy < statistics.median(seen[-50:]) - 0.06


def _curve(values: Values, generator: random.Random, limit: int) -> list[EpochMetrics]:
    """Exponential approach to a quality that the parameters decide, with noise."""
    quality, speed = _quality(values), 0.15 + 0.1 * generator.random()
    found = []
    for epoch in range(1, limit + 1):
        reached = 0.1 + (quality - 0.1) * (1 - math.exp(-speed * epoch))
        accuracy = min(max(reached + generator.gauss(0, 0.006), 0.0), 1.0)
        seconds = 4.0 + float(values.get("blocks") or 1) + generator.random()
        loss = max(0.01, 2.3 * (1 - accuracy))
        found.append(EpochMetrics(epoch, loss * 0.9, min(1.0, accuracy + 0.02), loss, accuracy, 0.001, seconds))
    return found


def _quality(values: Any) -> float:
    rate = math.log10(float(values.get("learning_rate", 1e-3)))
    blocks, strength = float(values.get("blocks", 1)), float(values.get("augmentation_strength", 0.5))
    return 0.86 - 0.12 * (rate + 2.0) ** 2 - 0.03 * (blocks - 3) ** 2 - 0.05 * (strength - 0.4) ** 2


def write_study(home: Path, name: str, space: Space, records: list[TrialRecord]) -> Path:
    """Write the study to disk, as a sweep does."""
    folder = home / "studies" / name
    folder.mkdir(parents=True)
    open_study(folder, space, threads=1, check_folder=lambda: None)
    for record in records:
        write_record(trial_folder(folder, record.number), record)
    return folder
