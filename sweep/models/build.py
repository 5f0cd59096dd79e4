"""From a configuration to a compiled model: preprocessing, augmentation, the builder's layers, loss and optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras

from sweep.models.augmentation import augmentation_layers
from sweep.models.model_size import check_parameters
from sweep.models.optimizer import make_optimizer
from sweep.models.pixel_scaling import pixel_scaling_layers
from sweep.models.resnet import resnet
from sweep.models.transfer import transfer
from sweep.models.user_builder import compile_user_model, user_builder, user_compiled, without_augmentation
from sweep.models.vgg import vgg
from sweep.records.image_facts import ImageFacts
from sweep.space.config import AugmentationConfig, TrialConfig
from sweep.space.model_sections import TransferConfig
from sweep.space.user_model_configs import UserBuilderConfig

Builder = Callable[[Any, ImageFacts, int, Any], Any]
"""(section `model`, facts of the images, seed, tensor of scaled pixels) -> tensor of outputs. May raise TrialFailure.

Every random choice follows from the seed, and the same arguments give layers of the same names."""

BUILDERS: dict[str, Builder] = {"vgg": vgg, "resnet": resnet, "transfer": transfer}
"""Builders of sweep by `model.builder`; any other name is a user's function."""


def build(config: TrialConfig, facts: ImageFacts, seed: int, *, augmentation: bool = True) -> keras.Model:
    """The model of a trial, not compiled.

    Args:
        config: of the trial.
        facts: of the images.
        seed: for initial weights, dropout and augmentation.
        augmentation: False leaves the augmentation out, as in a model that is saved for use.

    Returns:
        A model from raw pixels (batch, height, width, channels), 0..255, to (batch, classes): probabilities, or logits
        if the configuration says so.

    Raises:
        TrialFailure: infeasible or too_large.
        WeightsError: pre-trained weights cannot be had; see `untrained`.
        ModelError: a model of the user's own cannot be built.
    """
    inputs = keras.Input(facts.shape, dtype="uint8", name="pixels")
    hidden = inputs
    for layer in _input_layers(config, facts, seed, config.augmentation if augmentation else AugmentationConfig()):
        hidden = layer(hidden)
    builder = BUILDERS.get(config.model.builder, user_builder)
    with _precision(config.training.precision):
        outputs = builder(config.model, facts, seed, hidden)
    model = keras.Model(inputs, outputs, name=config.model.builder.rsplit(":", 1)[-1])
    check_parameters(model, config.model.max_parameters)
    return model


@contextmanager
def _precision(policy: str) -> Iterator[None]:
    """Layers that are made inside compute in this precision; the process's own setting is as before afterwards."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _input_layers(
    config: TrialConfig, facts: ImageFacts, seed: int, augmentation: AugmentationConfig
) -> Iterator[keras.Layer]:
    scaling = list(pixel_scaling_layers(config.model.pixel_scaling, facts))
    yield scaling[0]  # to 0..1 first: the augmentation layers interpolate, which wants floating point
    yield from augmentation_layers(augmentation, seed + 20_000)
    yield from scaling[1:]


def untrained(config: TrialConfig) -> TrialConfig:
    """The same model with random weights instead of pre-trained ones: where only its form matters."""
    if not isinstance(config.model, TransferConfig):
        return config
    return replace(config, model=replace(config.model, weights="none", weights_digest=None))


CROSS_ENTROPY = "unpenalized_cross_entropy"
"""The metric beside the loss: without label smoothing and without the L2 penalty. No user's metric is called so."""


def compile_model(model: keras.Model, config: TrialConfig, steps_per_epoch: int | None = None) -> None:
    """Give the model its optimizer, loss (categorical cross-entropy on one-hot labels) and accuracy.

    The cross-entropy is a metric as well, because the loss has the trial's own label smoothing and penalty in it. A
    model of the user's own that is compiled already keeps its optimizer and loss.

    Args:
        model: not compiled.
        config: of the trial.
        steps_per_epoch: batches in an epoch, for schedules of the learning rate; None leaves the rate constant.
    """
    if model.compiled:
        return
    network = user_compiled(model)
    if network is not None:
        compile_user_model(model, network)
        return
    model.compile(
        optimizer=make_optimizer(config.training, steps_per_epoch),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=config.model.output == "logits", label_smoothing=config.training.label_smoothing
        ),
        metrics=[
            keras.metrics.CategoricalAccuracy(name="accuracy"),
            keras.metrics.CategoricalCrossentropy(from_logits=config.model.output == "logits", name=CROSS_ENTROPY),
        ],
        # XLA is slower on a CPU and takes seconds to compile each model; "auto" would turn it on.
        jit_compile=False,
    )
    # Its variables exist from now on. Made inside the first step they would have it traced a second time: 3 s a trial.
    model.optimizer.build(model.trainable_variables)


def deployable(model: keras.Model, config: TrialConfig, facts: ImageFacts) -> keras.Model:
    """A copy of a trained model without augmentation layers: the same function at inference, nothing random inside."""
    if isinstance(config.model, UserBuilderConfig):
        return without_augmentation(model)
    plain = build(untrained(config), facts, seed=0, augmentation=False)
    trained = {layer.name: layer for layer in model.layers}
    for layer in plain.layers:
        layer.set_weights(trained[layer.name].get_weights())
    return plain
