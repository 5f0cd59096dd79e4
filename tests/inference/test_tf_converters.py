"""Models in other formats, each against the Keras model."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from sweep.data.cache import Prepared
from sweep.inference.tf_converters import write_format
from sweep.inference.tf_export_comparison import RUNNERS
from sweep.models.preprocessing import pixel_scaling_layers
from sweep.records.image_facts import ImageFacts
from sweep.space.config import DataConfig

pytestmark = pytest.mark.slow
FACTS = ImageFacts((8, 8, 3), 2, (0.5, 0.25, 0.125), (0.25, 0.5, 0.125))
NO_IMAGES = Prepared("nowhere", "d" * 64, ("0", "1"), (8, 8, 3), 0, 0, "no images")
ENDING = {"saved-model": "folder", "tflite": "tflite", "onnx": "onnx"}


@pytest.mark.parametrize("kind", ["saved-model", "tflite", "onnx"])
@pytest.mark.parametrize("scaling", ["raw", "unit", "centered", "standardized"])
def test_a_model_gives_the_same_outputs_whatever_the_pixel_scaling(tmp_path: Path, kind: str, scaling: str) -> None:
    for package in {"onnx": ("tf2onnx", "onnxruntime"), "tflite": ("ai_edge_litert",)}.get(kind, ()):
        pytest.importorskip(package, reason="not installed; pip install -e '.[export]'")
    inputs = keras.Input(FACTS.shape, dtype="uint8", name="pixels")
    hidden = inputs
    for layer in pixel_scaling_layers(scaling, FACTS):
        hidden = layer(hidden)
    hidden = keras.layers.GlobalAveragePooling2D()(hidden)
    weights = keras.initializers.GlorotUniform(seed=3)
    model = keras.Model(inputs, keras.layers.Dense(2, "softmax", kernel_initializer=weights)(hidden))
    model.save(tmp_path / "model.keras")
    images = np.random.default_rng(0).integers(0, 256, (5, *FACTS.shape), dtype=np.uint8)

    target = tmp_path / f"model.{ENDING[kind]}"
    write_format(kind, tmp_path / "model.keras", target, NO_IMAGES, DataConfig(name="digits"))
    np.testing.assert_allclose(RUNNERS[kind](target, 1)(images), model.predict(images, verbose=0), atol=1e-5)
