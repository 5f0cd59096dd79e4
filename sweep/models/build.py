"""From a configuration to a compiled model: preprocessing, augmentation, the builder's layers, loss and optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras

from sweep.models.model_size import check_parameters
from sweep.models.optimizer import make_optimizer
from sweep.models.preprocessing import augmentation_layers, pixel_scaling_layers
from sweep.models.resnet import resnet
from sweep.models.transfer import transfer
from sweep.models.user_builder import user_builder, user_compiled
from sweep.models.vgg import vgg
from sweep.records.image_facts import ImageFacts
from sweep.space.config import AugmentationConfig, TrialConfig
from sweep.space.model_sections import TransferConfig

Builder = Callable[[Any, ImageFacts, int, Any], Any]
"""(section `model`, facts of the images, seed, tensor of scaled pixels) -> tensor of outputs. May raise TrialFailure.

Every random choice follows from the seed, and the same arguments give layers with the same names."""

BUILDERS: dict[str, Builder] = {"vgg": vgg, "resnet": resnet, "transfer": transfer}
"""Sweep's builders by the value of `model.builder`; any other value names a user's function."""


def build(config: TrialConfig, facts: ImageFacts, seed: int, *, augmentation: bool = True) -> keras.Model:
    """Return the model of a trial, not compiled. For hypermodels see `build_hypermodel`.

    Args:
        config: the trial's configuration.
        facts: facts of the images.
        seed: for initial weights, dropout and augmentation.
        augmentation: False leaves the augmentation out, as in a model that is saved for use.

    Returns:
        A model from raw pixels (batch, height, width, channels), 0..255, to (batch, classes): probabilities, or logits
        if the configuration says so.

    Raises:
        TrialFailure: infeasible or too_large.
        WeightsError: pre-trained weights are not available; a configuration from `untrained` needs none.
        ModelError: a user's model cannot be built.
    """
    inputs = keras.Input(facts.shape, dtype="uint8", name="pixels")
    scaling = list(pixel_scaling_layers(config.model.pixel_scaling, facts))
    random_layers = augmentation_layers(config.augmentation if augmentation else AugmentationConfig(), seed + 20_000)
    hidden = inputs
    # The first scaling layer returns floating point, which the interpolation in the augmentation requires.
    for layer in (*scaling[:1], *random_layers, *scaling[1:]):
        hidden = layer(hidden)
    builder: Builder = BUILDERS.get(config.model.builder, user_builder)
    with _precision(config.training.precision):
        outputs = builder(config.model, facts, seed, hidden)
    model = keras.Model(inputs, outputs, name=config.model.builder.rsplit(":", 1)[-1])
    check_parameters(model, config.model.max_parameters)
    return model


@contextmanager
def _precision(policy: str) -> Iterator[None]:
    """Set the precision of layers that the `with` block makes, then restore the previous setting of the process."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def untrained(config: TrialConfig) -> TrialConfig:
    """Return the configuration with random instead of pre-trained weights, for callers that need only the structure."""
    if not isinstance(config.model, TransferConfig):
        return config
    return replace(config, model=replace(config.model, weights="none", weights_digest=None))


CROSS_ENTROPY = "unpenalized_cross_entropy"
"""Name of the cross-entropy metric without label smoothing and L2 penalty; unusual, so that no user's metric has it."""


def compile_model(model: keras.Model, config: TrialConfig, steps_per_epoch: int | None = None) -> None:
    """Compile the model: optimizer, loss (categorical cross-entropy on one-hot labels), and accuracy as a metric.

    The plain cross-entropy is a metric too: the loss contains the trial's label smoothing and L2 penalty, so the losses
    of two trials are not comparable. A model that the user has compiled keeps its optimizer and loss.

    Args:
        model: the model.
        config: the trial's configuration.
        steps_per_epoch: batches in an epoch, for schedules of the learning rate; None keeps the rate constant.
    """
    if model.compiled:
        return
    metrics = [keras.metrics.CategoricalAccuracy(name="accuracy")]
    network = user_compiled(model)
    if network is not None:
        optimizer, loss = network.optimizer, network.loss
    else:
        logits = config.model.output == "logits"
        optimizer = make_optimizer(config.training, steps_per_epoch)
        loss = keras.losses.CategoricalCrossentropy(logits, config.training.label_smoothing)
        metrics.append(keras.metrics.CategoricalCrossentropy(from_logits=logits, name=CROSS_ENTROPY))
    # XLA is slower on a CPU and takes seconds to compile each model; "auto" would turn it on.
    model.compile(optimizer=optimizer, loss=loss, metrics=metrics, jit_compile=False)
    # Make the optimizer's variables now. Otherwise TensorFlow traces the training step twice, 3 s per trial.
    model.optimizer.build(model.trainable_variables)


def deployable(model: keras.Model, config: TrialConfig, facts: ImageFacts) -> keras.Model:
    """Return the model without augmentation layers, optimizer and loss; its outputs at inference are the same."""
    if config.model.builder not in BUILDERS:  # not built again, as a user's function may then make other layers
        plain = keras.Model(model.inputs, model.outputs, name=model.name)
        return keras.models.clone_model(plain, clone_function=lambda layer: layer, call_function=_skip_augmentation)
    plain = build(untrained(config), facts, seed=0, augmentation=False)
    trained = {layer.name: layer for layer in model.layers}
    for layer in plain.layers:
        layer.set_weights(trained[layer.name].get_weights())
    return plain


def _skip_augmentation(layer: keras.Layer, *arguments: Any, **keywords: Any) -> Any:
    return arguments[0] if layer.name.startswith("random_") else layer(*arguments, **keywords)
