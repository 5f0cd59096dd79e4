"""Builder functions as a user writes them."""

from __future__ import annotations

from typing import Any, Literal

import keras


def build(
    input_shape: tuple[int, int, int], classes: int, width: int, activation: Literal["relu", "tanh"] = "relu"
) -> keras.Model:
    """A model from raw pixels."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(width, 3, activation=activation),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(classes, activation="softmax"),
        ]
    )


def compiled(input_shape: tuple[int, int, int], num_classes: int, rate: float = 0.5) -> keras.Model:
    """The same, compiled."""
    model = build(input_shape, num_classes, width=4)
    model.compile(keras.optimizers.SGD(rate), keras.losses.CategoricalCrossentropy(label_smoothing=0.1))
    return model


def layers(inputs: Any, classes: int, seed: int, units: int = 8) -> Any:
    """From scaled and augmented pixels to outputs."""
    initializer = keras.initializers.GlorotUniform(seed=seed)
    hidden = keras.layers.Dense(units, kernel_initializer=initializer)(keras.layers.Flatten()(inputs))
    return keras.layers.Dense(classes, activation="softmax")(hidden)


def scheduled(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Compiled, with a rate that falls by itself."""
    model = build(input_shape, classes, width=4)
    model.compile(
        keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.1)), "categorical_crossentropy"
    )
    return model


def sparse(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Compiled for class numbers."""
    model = build(input_shape, classes, width=4)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def nothing() -> None:
    """Forgets to return."""


def broken(width: int = 1) -> keras.Model:
    """Fails."""
    return {}[width]


def wide(inputs: Any) -> Any:
    """Too many outputs."""
    return keras.layers.Dense(11)(keras.layers.Flatten()(inputs))
