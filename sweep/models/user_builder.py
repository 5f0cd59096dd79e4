"""A user's builder function, called with the space file's arguments and, if it takes them, `classes`, `seed`, etc."""

from __future__ import annotations

import inspect
from typing import Any

import keras

from sweep.errors import ModelError
from sweep.models.user_code import call_user_code, given_facts, load_user_code
from sweep.models.user_model_checks import check_output_kind, check_outputs, is_compiled, wants_integers
from sweep.records.image_facts import ImageFacts
from sweep.space.model_sections import UserBuilderConfig


def user_builder(section: UserBuilderConfig, facts: ImageFacts, seed: int, hidden: Any) -> Any:
    """Return the outputs for scaled pixels, made by the user's function.

    A function with a parameter `inputs` receives the tensor of pixels and returns the tensor of outputs. Any other
    function returns a keras.Model, compiled or not, from pixels (batch, height, width, channels) to (batch, classes).

    Raises:
        ModelError: the function cannot be imported, fails, or returns something else.
    """
    function = load_user_code(section)
    if not callable(function):
        raise ModelError(f"{section.builder} is a {type(function).__name__}, not a function")
    parameters = inspect.signature(function).parameters
    given = {name: value for name, value in given_facts(facts, seed).items() if name in parameters}
    if "inputs" in parameters:
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
    """Return the inner network that a user has compiled, or None; training uses its optimizer and loss."""
    return next((layer for layer in model.layers if isinstance(layer, keras.Model) and is_compiled(layer)), None)
