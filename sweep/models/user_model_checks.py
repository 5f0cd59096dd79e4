"""Find what a user's model determines (labels, outputs, optimizer), and check that the space file agrees."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from sweep.errors import ModelError
from sweep.records.image_facts import ImageFacts

_ROUNDING = 0.01
"""Tolerance for probabilities and their sums; large enough for 16-bit precision."""

_NOISE_IMAGES = 8


def is_compiled(model: keras.Model) -> bool:
    """True if the user has compiled the model."""
    return bool(getattr(model, "compiled", False))


def has_schedule(model: keras.Model) -> bool:
    """True if the optimizer was made with a schedule, so that its rate cannot be set."""
    return isinstance(model.optimizer.get_config().get("learning_rate"), dict)


def _loss_of(model: keras.Model) -> Any:
    found = keras.losses.get(model.loss) if isinstance(model.loss, str) else model.loss
    return found[0] if isinstance(found, list) and len(found) == 1 else found


def wants_integers(model: keras.Model) -> bool:
    """True if the loss takes class numbers instead of one-hot rows."""
    loss = _loss_of(model) if is_compiled(model) else None
    name = getattr(loss, "__name__", type(loss).__name__)
    return "sparse" in name.lower()


def check_output_kind(model: keras.Model, output: str, reference: str) -> None:
    """Check that the compiled loss takes the outputs that the space file states.

    Raises:
        ModelError: one of them is for logits, the other for probabilities.
    """
    loss = _loss_of(model)
    from_logits = isinstance(loss, keras.Loss) and bool(loss.get_config().get("from_logits", False))
    found = "logits" if from_logits else "softmax"
    if found != output:
        raise ModelError(
            f"{reference} is compiled with from_logits={from_logits}, but `output` is {output}; "
            f"write `output: {found}` in the section `model`"
        )


def check_outputs(shape: tuple[Any, ...], facts: ImageFacts, reference: str) -> None:
    """Check that the model has one output per class.

    Raises:
        ModelError: the number of outputs differs from the number of classes.
    """
    if tuple(shape[1:]) != (facts.classes,):
        raise ModelError(
            f"{reference} has outputs of shape {tuple(shape)}; expected (batch, {facts.classes}), a number per class"
        )


def check_output_values(outputs: npt.NDArray[np.floating], output: str, reference: str) -> None:
    """Check the kind of the outputs against the space file: a wrong kind makes the loss wrong without an error.

    Args:
        outputs: outputs for any images, (n, classes).
        output: `softmax` or `logits`, as the space file states.
        reference: name of the user's function, for the message.

    Raises:
        ModelError: some outputs are not finite numbers, or contradict `output`.
    """
    if not np.isfinite(outputs).all():
        raise ModelError(f"some outputs of {reference} are not finite numbers")
    low, high = float(outputs.min()), float(outputs.max())
    if output == "softmax" and (low < 0 or high > 1 + _ROUNDING):
        raise ModelError(
            f"the outputs of {reference} are not probabilities (from {low:.3g} to {high:.3g}), but `output` is "
            "softmax; end with a softmax, or write `output: logits` in the section `model`"
        )
    if output == "logits" and low >= 0 and bool(np.abs(outputs.sum(axis=1) - 1).max() < _ROUNDING):
        raise ModelError(
            f"the outputs of {reference} are probabilities, but `output` is logits, and the loss would apply softmax "
            "again; write `output: softmax` in the section `model`"
        )


def check_outputs_for_noise(
    model: keras.Model, shape: tuple[int, ...], output: str, reference: str
) -> npt.NDArray[np.uint8]:
    """Predict images of random noise with a model that takes raw pixels, and apply `check_output_values`.

    Args:
        shape: shape of an image.

    Returns:
        The images, uint8 (n, h, w, c).

    Raises:
        ModelError: see `check_output_values`.
    """
    noise = np.random.default_rng(0).integers(0, 256, (_NOISE_IMAGES, *shape), dtype=np.uint8)
    check_output_values(np.asarray(model.predict(noise, verbose=0), dtype=np.float32), output, reference)
    return noise
