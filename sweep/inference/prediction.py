"""Opening a model file and predicting with it. Imports TensorFlow."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from sweep.analysis.calibration import probabilities_of
from sweep.errors import ModelFileError
from sweep.records.array_types import UInt8Array
from sweep.records.keras_archive import check_archive
from sweep.space.model_sections import Output

BATCH = 256


def probabilities(path: Path, images: UInt8Array, output: Output | None = None) -> npt.NDArray[np.floating]:
    """Predict the classes of raw images with the model in a file. Runs in a child process.

    Args:
        path: the .keras file.
        images: uint8 (n, h, w, c), of the size that the model takes.
        output: kind of the model's outputs; None if it is unknown.

    Returns:
        float32 (n, classes); each row sums to 1.

    Raises:
        ModelFileError: see `load_model`.
    """
    model = load_model(path)
    outputs = np.asarray(model.predict(images, batch_size=BATCH, verbose=0), dtype=np.float32)
    return probabilities_of(outputs, logits=gives_logits(model, output))


def load_model(path: Path) -> keras.Model:
    """Return the model, not compiled: from uint8 (batch, height, width, channels) to (batch, classes).

    Raises:
        ModelFileError: the file is refused or damaged, or its model is not an image classifier.
    """
    check_archive(path)
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises any exception for a damaged file
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
    """True if the outputs still need softmax.

    Args:
        model: its last layer decides if `output` is None; a softmax that is not a layer is not recognized.
        output: kind of outputs that the model's space states; None if it is unknown.
    """
    if output is not None:
        return output == "logits"
    last = model.layers[-1]
    while isinstance(last, keras.Model) and last.layers:
        last = last.layers[-1]
    activation = getattr(last, "activation", None)
    return not (isinstance(last, keras.layers.Softmax) or activation is keras.activations.softmax)
