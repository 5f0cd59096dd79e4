"""Comparing exported models with the Keras model, on the same images, in the same process and in turns.

Each format runs in its own runtime, which is imported only when it is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from sweep.data.cache import Prepared
from sweep.data.loading import load
from sweep.inference.prediction import load_model
from sweep.records.array_types import IntArray, UInt8Array
from sweep.records.model_evaluation import Latency, Measured
from sweep.space.config import DataConfig
from sweep.training.tf_determinism import use_threads

BATCH = 32
WARM_UP = 5
REPEATS = 100
LEAST = 10
SECONDS = 20.0
"""For each batch size, every format has `REPEATS` timed calls, or fewer (at least `LEAST`) if `SECONDS` have passed."""

Run = Callable[[UInt8Array], npt.NDArray[np.float32]]
"""From raw images uint8 (n, h, w, c) to outputs float32 (n, classes)."""


def compare_exports(
    files: Mapping[str, Path], prepared: Prepared, data: DataConfig, threads: int
) -> dict[str, Measured]:
    """Measure each format. Runs in a child process.

    Args:
        files: the files by format; one must be `keras`, with which the others are compared.
        prepared: the decoded images.
        data: the section `data`, which decides which images are validation images.
        threads: number of threads of every runtime.

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
    return {kind: measured(outputs[kind], outputs["keras"], labels, single[kind], batch[kind]) for kind in files}


def _all(run: Run, images: UInt8Array) -> npt.NDArray[np.float32]:
    return np.concatenate([run(images[start : start + BATCH]) for start in range(0, len(images), BATCH)])


def measured(
    outputs: npt.NDArray[np.float32],
    expected: npt.NDArray[np.float32],
    labels: IntArray,
    single: Latency,
    batch: Latency,
) -> Measured:
    """Compare outputs (n, classes) with those of the Keras model and with the labels (n,)."""
    predicted = outputs.argmax(axis=1)
    return Measured(
        difference=float(np.abs(outputs - expected).max()),
        agreement=float((predicted == expected.argmax(axis=1)).mean()),
        accuracy=float((predicted == labels).mean()),
        images=len(labels),
        single=single,
        batch=batch,
        batch_size=BATCH,
    )


def latencies(runs: Mapping[str, Run], images: UInt8Array) -> dict[str, Latency]:
    """Time calls of all formats in turns, so that a busy moment of the machine affects every format."""
    for run in runs.values():
        for _ in range(WARM_UP):
            run(images)
    times: dict[str, list[float]] = {kind: [] for kind in runs}
    started = time.perf_counter()
    for repeat in range(REPEATS):
        if repeat >= LEAST and time.perf_counter() - started > SECONDS:
            break
        for kind, run in runs.items():
            start = time.perf_counter()
            run(images)
            times[kind].append(1000 * (time.perf_counter() - start))
    return {kind: Latency(float(np.median(each)), float(np.quantile(each, 0.95))) for kind, each in times.items()}


def _keras_runner(path: Path, threads: int) -> Run:  # noqa: ARG001 - TensorFlow's threads belong to the process
    """Run the model as a compiled function: for a single image, the overhead of `predict` would dominate the time."""
    model = load_model(path)
    signature = [tf.TensorSpec((None, *model.inputs[0].shape[1:]), tf.uint8)]
    call = tf.function(lambda images: model(images, training=False), input_signature=signature)
    return lambda images: np.asarray(call(tf.constant(images)), dtype=np.float32)


def _saved_model_runner(path: Path, threads: int) -> Run:  # noqa: ARG001 - TensorFlow's threads belong to the process
    """Run the SavedModel's endpoint `serve`."""
    loaded = tf.saved_model.load(str(path))
    return lambda images: np.asarray(loaded.serve(tf.constant(images)), dtype=np.float32)


def _tflite_runner(path: Path, threads: int) -> Run:
    """Run LiteRT; its interpreter must be resized before a call with another batch size than the last call."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter: Any = Interpreter(model_path=str(path), num_threads=threads)
    place, out = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    batch = 0

    def run(images: UInt8Array) -> npt.NDArray[np.float32]:
        nonlocal batch
        if len(images) != batch:
            interpreter.resize_tensor_input(place, images.shape)
            interpreter.allocate_tensors()
            batch = len(images)
        interpreter.set_tensor(place, images)
        interpreter.invoke()
        return np.array(interpreter.get_tensor(out), dtype=np.float32)

    return run


def _onnx_runner(path: Path, threads: int) -> Run:
    """Run ONNX Runtime on the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: np.asarray(session.run(None, {name: images})[0], dtype=np.float32)


RUNNERS: dict[str, Callable[[Path, int], Run]] = {
    "keras": _keras_runner,
    "saved-model": _saved_model_runner,
    "tflite": _tflite_runner,
    "tflite-int8": _tflite_runner,
    "onnx": _onnx_runner,
}
"""By format, the function that makes a `Run` from a file and the number of threads."""
