"""Small models with weights made by hand."""

from __future__ import annotations

import keras
import numpy as np

from sweep.records.array_types import UInt8Array


def bright_corner_model(*, output: str = "softmax", nested: bool = False) -> keras.Model:
    """Predicts class 1 if the upper half of the image is brighter than the lower one.

    Nested, everything but the pixel scaling is an inner model, as with a user's network.
    """
    inputs = keras.Input((8, 8, 1), dtype="uint8", name="pixels")
    scaled = keras.layers.Rescaling(1 / 255, name="pixels_to_unit")(inputs)
    start = keras.Input((8, 8, 1), name="scaled") if nested else scaled
    hidden = keras.layers.Conv2D(1, 1, use_bias=False, name="conv")(start)
    hidden = keras.layers.MaxPooling2D(2, name="pool")(hidden)
    hidden = keras.layers.Flatten(name="flatten")(hidden)
    outputs = keras.layers.Dense(2, activation=output if output == "softmax" else None, name="output")(hidden)
    model = keras.Model(start if nested else inputs, outputs)
    model.get_layer("conv").set_weights([np.ones((1, 1, 1, 1))])
    upper = np.repeat([1.0, 0.0], 8)  # of the 4 x 4 places, row by row
    model.get_layer("output").set_weights([np.stack([-upper, upper], axis=1), np.zeros(2)])
    return keras.Model(inputs, model(scaled)) if nested else model


def image_with_light(row: int, column: int) -> UInt8Array:
    """One black image with a white pixel: uint8 (1, 8, 8, 1)."""
    image = np.zeros((1, 8, 8, 1), dtype=np.uint8)
    image[0, row, column] = 255
    return image
