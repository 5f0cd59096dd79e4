"""Parts that all builders use: initializers, the L2 penalty, the output layer."""

from __future__ import annotations

import keras


def initializer(kind: str, seed: int) -> keras.Initializer:
    """Return the initializer of a kernel by its name in a configuration."""
    kinds = {
        "he_uniform": keras.initializers.HeUniform,
        "he_normal": keras.initializers.HeNormal,
        "glorot_uniform": keras.initializers.GlorotUniform,
        "glorot_normal": keras.initializers.GlorotNormal,
        "lecun_normal": keras.initializers.LecunNormal,
        "random_normal": keras.initializers.RandomNormal,
    }
    return kinds[kind](seed=seed)


def l2_penalty(weight: float) -> keras.Regularizer | None:
    """Return the penalty on a kernel; None for weight 0."""
    return keras.regularizers.L2(weight) if weight > 0 else None


def output_layer(output: str, classes: int, seed: int) -> keras.Layer:
    """Return the last layer, to probabilities or logits, in full precision regardless of the layers before it."""
    return keras.layers.Dense(
        classes,
        activation="softmax" if output == "softmax" else None,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        dtype="float32",
        name="output",
    )
