"""Opening a model's file with Keras. Imports TensorFlow; the file must have passed `check_archive`."""

from __future__ import annotations

from pathlib import Path

import keras

from sweep.errors import ModelFileError
from sweep.records.keras_archive import check_archive
from sweep.space.model_sections import Output


def load_model(path: Path) -> keras.Model:
    """The model, not compiled: uint8 (batch, height, width, channels) in, (batch, classes) out.

    Raises:
        ModelFileError: the file is refused or damaged, or its model is no image classifier.
    """
    check_archive(path)
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever the damage led to
        first = (str(error).strip().splitlines() or [""])[0]
        raise ModelFileError(f"{path}: Keras cannot open the model: {type(error).__name__}: {first[:300]}") from error
    shapes = [tuple(tensor.shape) for tensor in (*model.inputs, *model.outputs)]
    if len(shapes) != 2 or len(shapes[0]) != 4 or len(shapes[1]) != 2 or shapes[0][3] not in (1, 3):
        raise ModelFileError(
            f"{path}: expected a model from images (batch, height, width, 1 or 3) to (batch, classes), "
            f"found tensors of {shapes}"
        )
    return model


def gives_logits(model: keras.Model, output: Output | None = None) -> bool:
    """Whether the outputs still have to go through softmax.

    Args:
        model: of which only the last layer can be asked, which does not tell all: softmax can be a mere operation.
        output: what its space says that it gives; None where that is not known.
    """
    if output is not None:
        return output == "logits"
    last = model.layers[-1]
    while isinstance(last, keras.Model) and last.layers:
        last = last.layers[-1]
    activation = getattr(last, "activation", None)
    return not (isinstance(last, keras.layers.Softmax) or activation is keras.activations.softmax)
