"""Reading a model's file. Imports TensorFlow."""

from __future__ import annotations

from pathlib import Path

import keras

from sweep.errors import StudyError


def load_model(path: Path) -> keras.Model:
    """The model of a .keras file, not compiled.

    Raises:
        StudyError: the file is damaged, or holds Python code, which is not run.
    """
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever the damage led to
        first = (str(error).strip().splitlines() or [""])[0]
        raise StudyError(f"{path}: Keras cannot open the model: {type(error).__name__}: {first}") from error
