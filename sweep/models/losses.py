"""What the compiled loss of a user's model says of its labels and outputs."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from sweep.errors import ModelError

_ROUNDING = 0.01
"""Of probabilities and their sums, in 16-bit precision too."""

_ASKED = 8
"""Images of noise."""


def _loss_of(model: keras.Model) -> Any:
    found = keras.losses.get(model.loss) if isinstance(model.loss, str) else model.loss
    return found[0] if isinstance(found, list) and len(found) == 1 else found


def wants_integers(model: keras.Model) -> bool:
    """Whether the loss takes class numbers instead of one-hot rows."""
    loss = _loss_of(model) if getattr(model, "compiled", False) else None
    name = getattr(loss, "__name__", type(loss).__name__)
    return "sparse" in name.lower()


def from_logits(model: keras.Model) -> bool:
    """Whether the loss takes logits; one that does not say so takes probabilities."""
    loss = _loss_of(model)
    return isinstance(loss, keras.Loss) and bool(loss.get_config().get("from_logits", False))


def check_output_kind(model: keras.Model, output: str, reference: str) -> None:
    """The file says what the model gives; the compiled loss must say the same.

    Raises:
        ModelError: it says the opposite.
    """
    found = "logits" if from_logits(model) else "softmax"
    if found != output:
        raise ModelError(
            f"{reference} is compiled with from_logits={found == 'logits'}, but `output` is {output}; "
            f"write `output: {found}` in the section `model`"
        )


def check_output_values(outputs: npt.NDArray[np.floating], output: str, reference: str) -> None:
    """What the model gives must be what the file says: a wrong loss trains to nothing, without an error.

    Args:
        outputs: (n, classes), of any images.
        output: what the file says.
        reference: of the user's function.

    Raises:
        ModelError: it is the opposite.
    """
    low, high = float(outputs.min()), float(outputs.max())
    if output == "softmax" and (low < 0 or high > 1 + _ROUNDING):
        raise ModelError(
            f"{reference} gives outputs that are no probabilities (from {low:.3g} to {high:.3g}), but `output` is "
            "softmax; end with a softmax, or write `output: logits` in the section `model`"
        )
    if output == "logits" and low >= 0 and bool(np.abs(outputs.sum(axis=1) - 1).max() < _ROUNDING):
        raise ModelError(
            f"{reference} gives probabilities, but `output` is logits, and the loss would put them through softmax "
            "once more; write `output: softmax` in the section `model`"
        )


def check_outputs_about_noise(
    model: keras.Model, shape: tuple[int, ...], output: str, reference: str
) -> npt.NDArray[np.uint8]:
    """`check_output_values` of what a model from raw pixels says of some noise.

    Args:
        shape: of an image.

    Returns:
        uint8 (n, h, w, c): the images that it was asked about.

    Raises:
        ModelError: as there.
    """
    noise = np.random.default_rng(0).integers(0, 256, (_ASKED, *shape), dtype=np.uint8)
    check_output_values(np.asarray(model.predict(noise, verbose=0), dtype=np.float32), output, reference)
    return noise
