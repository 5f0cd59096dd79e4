"""Transfer learning: a network of keras.applications, with its own preprocessing, under a new head.

The networks take different inputs: BGR minus a mean, -1..1, standardized, or raw pixels if they contain the scaling.
This module measures what each network takes, by calling the network's own `preprocess_input`.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import keras
import numpy as np

from sweep.data.keras_cache import keras_cache_dir
from sweep.errors import TrialFailure, WeightsError
from sweep.models.layers import initializer, output_layer
from sweep.records.image_facts import ImageFacts
from sweep.space.model_sections import TransferConfig
from sweep.space.pinned_files import WORDS, check_weights_file


def transfer(config: TransferConfig, facts: ImageFacts, seed: int, hidden: Any) -> Any:
    """Return the output for raw pixels 0..255.

    Args:
        config: the section `model`.
        facts: facts of the images.
        seed: for initial weights and dropout; each layer gets its own seed, derived from this one.
        hidden: tensor of shape (batch, height, width, 1 or 3).

    Raises:
        TrialFailure: infeasible, if the backbone does not take images of this size.
        WeightsError: the backbone's weights are not available.
    """
    height, width, channels = facts.shape
    if channels == 1:
        hidden = keras.layers.Concatenate(name="pixels_rgb")([hidden, hidden, hidden])
    if config.input_size is not None:
        height = width = config.input_size
        hidden = keras.layers.Resizing(height, width, interpolation="bilinear", name="pixels_resized")(hidden)
    backbone = make_backbone(config, (height, width, 3), seed)
    _freeze(backbone, config.trainable)
    return _head(config, facts.classes, seed + 10_000, backbone(preprocess(config.backbone, hidden)))


def _head(config: TransferConfig, classes: int, seed: int, features: Any) -> Any:
    pools = {
        "average": keras.layers.GlobalAveragePooling2D,
        "max": keras.layers.GlobalMaxPooling2D,
        "flatten": keras.layers.Flatten,
    }
    hidden = pools[config.pooling](name="pooled")(features)
    if config.head == "dense":
        start = initializer(config.kernel_initializer, seed)
        hidden = keras.layers.Dense(
            config.dense_units, activation=config.activation, kernel_initializer=start, name="head_dense"
        )(hidden)
    if config.dropout > 0:
        hidden = keras.layers.Dropout(config.dropout, seed=seed + 1, name="head_dropout")(hidden)
    return output_layer(config.output, classes, seed + 2)(hidden)


def _freeze(backbone: keras.Model, trainable: float) -> None:
    """Freeze all layers with weights except the last ones; `trainable` is the share of layers that is not frozen.

    A frozen BatchNormalization uses its stored statistics even in training, by Keras' definition of `trainable`.
    """
    weighted = [layer for layer in backbone.layers if layer.weights]
    for layer in weighted[: len(weighted) - round(trainable * len(weighted))]:
        layer.trainable = False


def preprocess(name: str, hidden: Any) -> Any:
    """Return what the backbone of this name receives for raw pixels (batch, height, width, 3), 0..255, RGB.

    The backbone's `preprocess_input` maps each channel separately and linearly, and may turn RGB into BGR. The mapping
    is measured on black, red, green and blue, and rebuilt from Keras layers, so saved models load without this module.
    """
    module = getattr(keras.applications, name).__module__.rsplit(".", 1)[-1]
    probe = np.zeros((1, 1, 4, 3), np.float32)
    probe[0, 0, 1:] = 255 * np.eye(3)
    offset, *full = np.asarray(getattr(keras.applications, module).preprocess_input(probe.copy()))[0, 0]
    gains = np.array(full - offset) / 255  # (channel in, channel out)
    if np.abs(np.diag(gains)).min() == 0:
        hidden, gains = keras.ops.flip(hidden, axis=-1), gains[::-1]
    scale = np.diag(gains)
    if not np.allclose(gains, np.diag(scale), atol=1e-9):
        raise TypeError(f"preprocess_input of {name} mixes channels, which is not supported")
    if np.allclose(scale, 1) and np.allclose(offset, 0):
        return hidden
    return keras.layers.Rescaling(scale.tolist(), offset.tolist(), name="pixels_preprocessed")(hidden)


def make_backbone(config: TransferConfig, shape: tuple[int, int, int], seed: int) -> keras.Model:
    """Return the network from preprocessed images of `shape` to feature maps.

    Args:
        config: the network and the source of its weights.
        shape: height, width, 3.
        seed: for initial weights and the network's own dropout.

    Raises:
        TrialFailure: infeasible, if the network does not take images of this size.
        WeightsError: the weights are not available.
    """
    function = getattr(keras.applications, config.backbone)
    check_weights_file(config.weights, config.weights_digest)
    weights = None if config.weights == "none" else config.weights
    try:
        with _default_seeds(seed), _strict_loading():
            backbone: keras.Model = function(include_top=False, weights=weights, input_shape=shape)
    except Exception as error:
        raise _explained(error, config, shape) from error
    return backbone


@contextmanager
def _default_seeds(seed: int) -> Iterator[None]:
    """Derive from `seed` the seeds of initializers and dropout layers that are made without a seed.

    Keras draws these seeds from Python's random generator, whose state is restored afterwards.
    """
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


@contextmanager
def _strict_loading() -> Iterator[None]:
    """Raise an error if a weights file lacks some weights: Keras only warns, and leaves these weights random."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="(?i).*skipping|.*freshly-initialized", category=UserWarning)
        yield


def _explained(error: Exception, config: TransferConfig, shape: tuple[int, int, int]) -> Exception:
    """Return the error to raise for an exception from a function of keras.applications."""
    name = config.backbone
    missing = missing_download(error)
    if missing is not None:
        path, origin = missing
        return WeightsError(
            f"the ImageNet weights of {name} cannot be fetched: put the file at {path} (it comes from {origin}), "
            f"or write `weights: none`. {_first_line(error)}"
        )
    too_small = "input size must be at least" in str(error).lower()
    if too_small or (isinstance(error, ValueError) and config.weights in WORDS):
        size = f"{shape[0]}x{shape[1]}"
        return TrialFailure(
            "infeasible", f"{name} does not take images of {size}: {_first_line(error)}; set another input_size"
        )
    if config.weights not in WORDS:
        return WeightsError(
            f"the weights file {config.weights} does not fit {name} without its top: {_first_line(error)}; "
            f"it must come from keras.applications.{name}(include_top=False)"
        )
    return error


def missing_download(error: BaseException) -> tuple[Path, str] | None:
    """Return the path and the address of the file that `keras.utils.get_file` failed to fetch; None for other errors.

    Both are read from the arguments of the failed call: Keras' message has only the address, and the name of the file
    may differ from the end of the address.
    """
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        values = trace.tb_frame.f_locals
        if trace.tb_frame.f_code.co_name == "get_file" and values.get("origin"):
            origin = str(values["origin"])
            name = values.get("fname") or origin.rsplit("/", 1)[-1]
            folder = keras_cache_dir(values.get("cache_dir"))
            return folder / str(values.get("cache_subdir", "models")) / str(name), origin
        trace = trace.tb_next
    return None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".") if lines else type(error).__name__
