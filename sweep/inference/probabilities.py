"""Asking a model. Imports TensorFlow: for `call_in_child`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from sweep.analysis.calibration import probabilities_of
from sweep.inference.load_model import gives_logits, load_model
from sweep.records.array_types import UInt8Array
from sweep.space.model_sections import Output

BATCH = 256


def probabilities(path: Path, images: UInt8Array, output: Output | None = None) -> npt.NDArray[np.floating]:
    """What the model of a file says of raw images.

    Args:
        path: of a .keras file.
        images: uint8 (n, h, w, c), of the model's size.
        output: what the model gives, where that is known.

    Returns:
        float32 (n, classes), rows that sum to 1.

    Raises:
        ModelFileError: see `load_model`.
    """
    model = load_model(path)
    outputs = np.asarray(model.predict(images, batch_size=BATCH, verbose=0), dtype=np.float32)
    return probabilities_of(outputs, logits=gives_logits(model, output))
