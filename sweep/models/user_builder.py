"""A builder function of the user's own: called with the file's arguments and the facts that it asks for."""

from __future__ import annotations

import inspect
from typing import Any

import keras

from sweep.errors import ModelError
from sweep.models.losses import check_output_kind, wants_integers
from sweep.models.user_code import call_user_code, check_outputs, given_facts, is_compiled, load_user_code
from sweep.records.image_facts import ImageFacts
from sweep.space.user_model_configs import UserBuilderConfig


def user_builder(section: UserBuilderConfig, facts: ImageFacts, seed: int, hidden: Any) -> Any:
    """From scaled pixels to outputs, by the user's function.

    A function with a parameter `inputs` gets the tensor of pixels and returns the tensor of outputs; any other returns
    a keras.Model from pixels (batch, height, width, channels) to (batch, classes), perhaps compiled.

    Raises:
        ModelError: the function cannot be imported, fails, or returns something else.
    """
    function = load_user_code(section)
    if not callable(function):
        raise ModelError(f"{section.builder} is no function but {type(function).__name__}")
    asked = inspect.signature(function).parameters
    given = {name: value for name, value in given_facts(facts, seed).items() if name in asked}
    if "inputs" in asked:
        outputs = call_user_code(function, section.builder, {**section.arguments, **given, "inputs": hidden})
        if not hasattr(outputs, "shape"):
            raise ModelError(f"{section.builder} takes `inputs`, so it must return a tensor, not {_kind(outputs)}")
    else:
        network = call_user_code(function, section.builder, {**section.arguments, **given})
        if not isinstance(network, keras.Model):
            raise ModelError(f"{section.builder} must return a keras.Model, not {_kind(network)}")
        if is_compiled(network):
            check_output_kind(network, section.output, section.builder)
            if wants_integers(network):
                raise ModelError(
                    f"{section.builder} is compiled with a loss on class numbers, but it is trained with one-hot rows: "
                    "compile it with categorical_crossentropy"
                )
        outputs = call_user_code(lambda: network(hidden), section.builder, {})
    check_outputs(tuple(outputs.shape), facts, section.builder)
    return outputs


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def user_compiled(model: keras.Model) -> keras.Model | None:
    """The network inside a model that the user has compiled; its optimizer and loss count."""
    return next((layer for layer in model.layers if isinstance(layer, keras.Model) and is_compiled(layer)), None)


def compile_user_model(model: keras.Model, network: keras.Model) -> None:
    """Compile with the optimizer and the loss of the user's network, and with our metric."""
    model.compile(
        optimizer=network.optimizer,
        loss=network.loss,
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)


def without_augmentation(model: keras.Model) -> keras.Model:
    """The same layers with the same weights, the augmentation left out."""
    return keras.models.clone_model(
        model,
        clone_function=lambda layer: layer,
        call_function=lambda layer, *arguments, **named: (
            arguments[0] if layer.name.startswith("random_") else layer(*arguments, **named)
        ),
    )
