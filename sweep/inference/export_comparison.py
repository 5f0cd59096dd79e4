"""Exported models against the Keras model: the same images, the same process, in turns. Imports TensorFlow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sweep.data.cache import Prepared
from sweep.data.loading import load
from sweep.inference.tf_runners import RUNNERS, Run
from sweep.records.array_types import IntArray, UInt8Array
from sweep.records.model_evaluation import Latency, Measured
from sweep.space.config import DataConfig
from sweep.training.tf_threads import use_threads

BATCH = 32
WARM_UP = 5
REPEATS = 100
LEAST = 10
SECONDS = 20.0
"""Calls per format and batch size; when so many seconds are over, fewer, but `LEAST`."""


def compare_exports(
    files: Mapping[str, Path], prepared: Prepared, data: DataConfig, threads: int
) -> dict[str, Measured]:
    """Measure each format.

    Args:
        files: by format; `keras` must be among them, the others are held against it.
        prepared: decoded images.
        data: which of them are validation images.
        threads: of every runtime.

    Raises:
        ModelFileError: the Keras file is refused.
    """
    use_threads(threads)
    held_out = load(prepared, data).validation
    images, labels = held_out.all_images(), held_out.labels
    runs = {kind: RUNNERS[kind](path, threads) for kind, path in files.items()}
    outputs = {kind: _all(run, images) for kind, run in runs.items()}
    single = latencies(runs, images[:1])
    batch = latencies(runs, np.resize(images, (BATCH, *images.shape[1:])))
    wanted = outputs["keras"]
    return {kind: _measured(outputs[kind], wanted, labels, single[kind], batch[kind]) for kind in files}


def _all(run: Run, images: UInt8Array) -> npt.NDArray[np.float32]:
    return np.concatenate([run(images[start : start + BATCH]) for start in range(0, len(images), BATCH)])


def _measured(
    outputs: npt.NDArray[np.float32],
    wanted: npt.NDArray[np.float32],
    labels: IntArray,
    single: Latency,
    batch: Latency,
) -> Measured:
    said = outputs.argmax(axis=1)
    return Measured(
        difference=float(np.abs(outputs - wanted).max()),
        agreement=float((said == wanted.argmax(axis=1)).mean()),
        accuracy=float((said == labels).mean()),
        images=len(labels),
        single=single,
        batch=batch,
        batch_size=BATCH,
    )


def latencies(runs: Mapping[str, Run], images: UInt8Array) -> dict[str, Latency]:
    """Time of a call with these images by format, in turns, so that a busy moment of the machine hits all alike."""
    for run in runs.values():
        for _ in range(WARM_UP):
            run(images)
    times: dict[str, list[float]] = {kind: [] for kind in runs}
    begun = time.perf_counter()
    for repeat in range(REPEATS):
        if repeat >= LEAST and time.perf_counter() - begun > SECONDS:
            break
        for kind, run in runs.items():
            start = time.perf_counter()
            run(images)
            times[kind].append(1000 * (time.perf_counter() - start))
    return {kind: Latency(float(np.median(each)), float(np.quantile(each, 0.95))) for kind, each in times.items()}
