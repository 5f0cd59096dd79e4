"""Transfer learning: a network of keras.applications under a new head."""

from __future__ import annotations

from typing import Any

import keras

from sweep.models.backbones import freeze, make_backbone, preprocess
from sweep.models.layers import initializer, output_layer
from sweep.records.image_facts import ImageFacts
from sweep.space.model_sections import TransferConfig


def transfer(config: TransferConfig, facts: ImageFacts, seed: int, hidden: Any) -> Any:
    """From raw pixels, 0..255, to the output.

    Args:
        config: of the model.
        facts: of the images.
        seed: for initial weights and dropout; each layer has its own number derived from it.
        hidden: tensor of shape (batch, height, width, 1 or 3).

    Raises:
        TrialFailure: infeasible, where the backbone does not take images of this size.
        WeightsError: the backbone's weights cannot be had.
    """
    height, width, channels = facts.shape
    if channels == 1:
        hidden = keras.layers.Concatenate(name="pixels_rgb")([hidden, hidden, hidden])
    if config.input_size is not None:
        height = width = config.input_size
        hidden = keras.layers.Resizing(height, width, interpolation="bilinear", name="pixels_resized")(hidden)
    backbone = make_backbone(config, (height, width, 3), seed)
    freeze(backbone, config.trainable)
    return _head(config, facts.classes, seed + 10_000, backbone(preprocess(config.backbone, hidden)))


def _head(config: TransferConfig, classes: int, seed: int, features: Any) -> Any:
    pools = {
        "average": keras.layers.GlobalAveragePooling2D,
        "max": keras.layers.GlobalMaxPooling2D,
        "flatten": keras.layers.Flatten,
    }
    hidden = pools[config.pooling](name="pooled")(features)
    if config.head == "dense":
        start = initializer(config.kernel_initializer, seed)
        hidden = keras.layers.Dense(
            config.dense_units, activation=config.activation, kernel_initializer=start, name="head_dense"
        )(hidden)
    if config.dropout > 0:
        hidden = keras.layers.Dropout(config.dropout, seed=seed + 1, name="head_dropout")(hidden)
    return output_layer(config.output, classes, seed + 2)(hidden)
