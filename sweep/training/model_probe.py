"""Building models without training them, timing a few batches, and fetching weights. Runs in a child process."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping

import keras
import numpy as np

from sweep.errors import ModelError, TrialFailure, UserError, WeightsError
from sweep.models.build import compile_model
from sweep.models.model_size import count_parameters, multiply_adds
from sweep.models.transfer import make_backbone
from sweep.models.user_model_checks import wants_integers
from sweep.records.image_facts import ImageFacts
from sweep.space.config import TrialConfig
from sweep.space.hypermodel_space import Discovery
from sweep.space.model_sections import TransferConfig
from sweep.space.parameters import Parameter
from sweep.training.tf_determinism import use_threads
from sweep.training.trainable import make_trainable

TIMED_BATCHES = 3
FETCH_TIMEOUT = 30.0
"""Seconds without an answer after which a download of weights fails."""


def inspect_model(config: TrialConfig, facts: ImageFacts, written: Mapping[str, Parameter]) -> Discovery | str:
    """Return what a user's model determines about its space, or the reason why it cannot be used.

    The reason is text, because an exception would reach the parent process as a traceback.

    Args:
        config: the configuration of any point of the space.
        facts: facts of the images.
        written: the hyperparameters in the space file.
    """
    try:
        return make_trainable(config, facts).discover(written)
    except UserError as error:
        return str(error)


def build_all(configs: list[TrialConfig], facts: ImageFacts) -> list[tuple[int | None, str]]:
    """Build each configuration's model; return pairs of (number of parameters, "") or (None, why the build failed)."""
    models = (_built(config, facts) for config in configs)
    return [(None, model) if isinstance(model, str) else (count_parameters(model), "") for model in models]


def _built(config: TrialConfig, facts: ImageFacts) -> keras.Model | str:
    """Return the model, without pre-trained weights, or why it cannot be built."""
    keras.backend.clear_session()
    try:
        return make_trainable(config, facts).untrained()
    except (TrialFailure, ModelError) as failure:
        return str(failure)


def multiply_adds_of(configs: list[TrialConfig], facts: ImageFacts) -> list[int]:
    """Return the multiply-adds per image of each configuration's model; 0 if it cannot be built."""
    models = (_built(config, facts) for config in configs)
    return [0 if isinstance(model, str) else multiply_adds(model) for model in models]


def training_times(config: TrialConfig, facts: ImageFacts) -> tuple[float, float] | None:
    """Return the seconds that a trial takes before its first step, and the seconds that it takes for each image.

    The first number covers building the model and tracing training and validation. The second is the mean time of three
    training steps on random pixels, after a warm-up, divided by the batch size. None if the model cannot be built.
    """
    use_threads(config.threads)
    started = time.perf_counter()
    model = _built(config, facts)
    if isinstance(model, str):
        return None
    compile_model(model, config)
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (config.training.batch_size, *facts.shape), dtype=np.uint8)
    numbers = generator.integers(0, facts.classes, len(images))
    labels = numbers if wants_integers(model) else np.eye(facts.classes, dtype=np.float32)[numbers]
    model.train_on_batch(images, labels)
    model.test_on_batch(images, labels)
    ready = time.perf_counter()
    for _ in range(TIMED_BATCHES):
        model.train_on_batch(images, labels)
    return ready - started, (time.perf_counter() - ready) / (TIMED_BATCHES * len(images))


def missing_weights(configs: list[TransferConfig], shape: tuple[int, int, int]) -> str:
    """Fetch missing pre-trained weights of these models; return why some are not available, or "" if all are."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(FETCH_TIMEOUT)  # Keras sets no timeout: a server without an answer would block the start
    try:
        return next((reason for config in configs if (reason := _missing(config, shape))), "")
    finally:
        socket.setdefaulttimeout(before)


def _missing(config: TransferConfig, shape: tuple[int, int, int]) -> str:
    height, width = (config.input_size, config.input_size) if config.input_size else shape[:2]
    try:
        make_backbone(config, (height, width, 3), seed=0)
    except WeightsError as error:
        return str(error)
    except TrialFailure:
        return ""  # a reason other than missing weights: only trials with this model and image size will fail
    return ""
