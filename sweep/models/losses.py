"""What the compiled loss of a user's model says of its labels and outputs."""

from __future__ import annotations

from typing import Any

import keras

from sweep.errors import ModelError


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
