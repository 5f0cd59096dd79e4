"""Running an exported model with its own runtime. Imports TensorFlow; the other runtimes where they are needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from sweep.inference.load_model import load_model
from sweep.records.array_types import UInt8Array

Run = Callable[[UInt8Array], npt.NDArray[np.float32]]
"""Raw images uint8 (n, h, w, c) to outputs float32 (n, classes)."""


def keras_runner(path: Path, threads: int) -> Run:  # noqa: ARG001 - TensorFlow's threads are the process's
    """The model as a compiled function: `predict` would mostly measure itself on a single image."""
    return _compiled(load_model(path))


def _compiled(model: keras.Model) -> Run:
    signature = [tf.TensorSpec((None, *model.inputs[0].shape[1:]), tf.uint8)]
    call = tf.function(lambda images: model(images, training=False), input_signature=signature)
    return lambda images: np.asarray(call(tf.constant(images)), dtype=np.float32)


def saved_model_runner(path: Path, threads: int) -> Run:  # noqa: ARG001 - TensorFlow's threads are the process's
    """The SavedModel's endpoint `serve`."""
    loaded = tf.saved_model.load(str(path))
    return lambda images: np.asarray(loaded.serve(tf.constant(images)), dtype=np.float32)


def tflite_runner(path: Path, threads: int) -> Run:
    """LiteRT; the interpreter keeps the batch size of its last call."""
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


def onnx_runner(path: Path, threads: int) -> Run:
    """ONNX Runtime on the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: np.asarray(session.run(None, {name: images})[0], dtype=np.float32)


RUNNERS: dict[str, Callable[[Path, int], Run]] = {
    "keras": keras_runner,
    "saved-model": saved_model_runner,
    "tflite": tflite_runner,
    "tflite-int8": tflite_runner,
    "onnx": onnx_runner,
}
"""By format."""
