"""Networks of keras.applications without their tops: made from a seed or from weights, with their own preprocessing.

Keras' functions do not all want the same input: BGR minus a mean, -1..1, standardized, or raw pixels because they scale
by themselves. What each wants is asked of its own `preprocess_input`, not repeated here.
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
from sweep.space.model_sections import TransferConfig
from sweep.space.pinned_files import WORDS, check_weights_file


def make_backbone(config: TransferConfig, shape: tuple[int, int, int], seed: int) -> keras.Model:
    """The network from preprocessed images of `shape` to feature maps.

    Args:
        config: which network, and where its weights come from.
        shape: height, width, 3.
        seed: for initial weights and the network's own dropout.

    Raises:
        TrialFailure: infeasible, where the network does not take images of this size.
        WeightsError: the weights cannot be had.
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
    """Initializers and dropout layers that are made inside and given no seed have one that follows from this one.

    Keras draws such seeds from Python's generator (keras.utils.set_random_seed relies on it), whose state is as before
    afterwards.
    """
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


@contextmanager
def _strict_loading() -> Iterator[None]:
    """Keras only warns where a file lacks weights, and would go on with random ones."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="(?i).*skipping|.*freshly-initialized", category=UserWarning)
        yield


def _explained(error: Exception, config: TransferConfig, shape: tuple[int, int, int]) -> Exception:
    """What an exception out of a function of keras.applications means."""
    name = config.backbone
    asked = _asked_file(error.__traceback__)
    if asked is not None:
        path, origin = asked
        return WeightsError(
            f"the ImageNet weights of {name} cannot be fetched: put the file {path} there (it comes from {origin}), "
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


def _asked_file(trace: TracebackType | None) -> tuple[Path, str] | None:
    """Where `keras.utils.get_file` wanted a file and where from, read from the arguments of the call that failed.

    Keras' message names the address only, and the file's name in its folder may differ from the address's end.
    """
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code.co_name == "get_file" and frame.f_locals.get("origin"):
            values = frame.f_locals
            name = values.get("fname") or str(values["origin"]).rsplit("/", 1)[-1]
            folder = keras_cache_dir(values.get("cache_dir"))
            return folder / str(values.get("cache_subdir", "models")) / str(name), str(values["origin"])
        trace = trace.tb_next
    return None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".") if lines else type(error).__name__


def freeze(backbone: keras.Model, trainable: float) -> None:
    """Leave the last share of the layers with weights trainable.

    A frozen BatchNormalization uses its stored statistics, in training too (so Keras defines `trainable = False`).
    """
    weighted = [layer for layer in backbone.layers if layer.weights]
    for layer in weighted[: len(weighted) - round(trainable * len(weighted))]:
        layer.trainable = False


def preprocess(name: str, hidden: Any) -> Any:
    """Raw pixels (batch, height, width, 3), 0..255, RGB, to what a backbone of this name is fed with.

    Its `preprocess_input` maps each channel by itself and linearly, and may turn RGB into BGR; probed at black and at
    one full channel each, it becomes layers that a saved model can be loaded with anywhere.
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
        raise TypeError(f"preprocess_input of {name} mixes channels, which this module does not know")
    if np.allclose(scale, 1) and np.allclose(offset, 0):
        return hidden
    return keras.layers.Rescaling(scale.tolist(), offset.tolist(), name="pixels_preprocessed")(hidden)
