"""Writing a model in other formats.

Every format takes raw pixels, uint8 (batch, height, width, channels), and returns float32 (batch, classes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from sweep.data.cache import Prepared
from sweep.data.loading import load
from sweep.inference.prediction import load_model
from sweep.records.array_types import UInt8Array
from sweep.space.config import DataConfig
from sweep.training.sample_images import choose_samples

CALIBRATION = 200
"""Number of training images to calibrate int8 with. TensorFlow's guide to quantization recommends 100 to 500."""


def write_format(kind: str, source: Path, target: Path, prepared: Prepared, data: DataConfig) -> None:
    """Write the model of a .keras file in another format. Runs in a child process.

    Args:
        kind: a key of `WRITERS`.
        source: the .keras file.
        target: the file to write, in an existing folder; for a SavedModel, the folder to write.
        prepared: the decoded images, for calibration.
        data: the section `data`, which decides which images are training images.

    Raises:
        ModelFileError: see `load_model`.
    """
    model = load_model(source)
    WRITERS[kind](model, target, lambda: _calibration(prepared, data))


def _calibration(prepared: Prepared, data: DataConfig) -> UInt8Array:
    train = load(prepared, data).train
    return train.batch(choose_samples(train.labels, CALIBRATION))


def _saved_model(model: keras.Model, target: Path, images: Callable[[], UInt8Array]) -> None:  # noqa: ARG001 - a writer
    model.export(str(target), format="tf_saved_model", verbose=False)


def _onnx(model: keras.Model, target: Path, images: Callable[[], UInt8Array]) -> None:  # noqa: ARG001 - a writer
    _with_plain_constants(model)
    # Without a signature, the batch size would be fixed to 1.
    pixels = model.inputs[0]
    signature = [keras.InputSpec(dtype=pixels.dtype, shape=pixels.shape, name=pixels.name)]
    model.export(str(target), format="onnx", input_signature=signature, verbose=False)


def _with_plain_constants(model: keras.Model) -> None:
    """Turn the mean and the variance of each Normalization layer into NumPy arrays.

    The layer keeps both as tensors made outside the traced function, and tf2onnx 1.17 makes such tensors model inputs.
    """
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _with_plain_constants(layer)
        elif isinstance(layer, keras.layers.Normalization) and layer.input_mean is not None:
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)


def _tflite(model: keras.Model, target: Path, images: Callable[[], UInt8Array]) -> None:  # noqa: ARG001 - a writer
    target.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def _tflite_int8(model: keras.Model, target: Path, images: Callable[[], UInt8Array]) -> None:
    """Write a model with weights and activations in 8 bits.

    The input stays raw uint8 pixels, which the first operation casts. With a quantized input, callers would have to
    scale the pixels, unless those of the calibration images ranged from 0 to 255.
    """
    chosen = images()

    def representative() -> Iterator[list[UInt8Array]]:
        for place in range(len(chosen)):
            yield [chosen[place : place + 1]]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    target.write_bytes(converter.convert())


Writer = Callable[[keras.Model, Path, Callable[[], UInt8Array]], None]
WRITERS: dict[str, Writer] = {
    "saved-model": _saved_model,
    "tflite": _tflite,
    "tflite-int8": _tflite_int8,
    "onnx": _onnx,
}
"""Writers by format; the format `keras` needs none."""
