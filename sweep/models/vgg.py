"""VGG-style networks: blocks of convolutions and a pooling, then a dense head.

After Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014, at the size of
small images.
"""

from __future__ import annotations

from collections.abc import Iterator

import keras

from sweep.errors import TrialFailure
from sweep.models.facts import ImageFacts
from sweep.space.config import DropoutConfig, VggConfig


def vgg_layers(config: VggConfig, facts: ImageFacts, seed: int) -> Iterator[keras.Layer]:
    """The layers after preprocessing, in order.

    Args:
        config: of the model.
        facts: of the images.
        seed: for initial weights and dropout; each layer has its own number derived from it.

    Raises:
        TrialFailure: infeasible, where a convolution or pooling would leave no pixel.
    """
    check_size(config, facts.shape)
    seeds = iter(range(seed, seed + 10_000))
    rates = dropout_rates(config.dropout, config.blocks)
    for block in range(1, config.blocks + 1):
        for index in range(1, config.convolutions_per_block + 1):
            yield _convolution(config, config.filters[block - 1], f"block{block}_conv{index}", next(seeds))
            if config.batch_norm:
                yield keras.layers.BatchNormalization(name=f"block{block}_norm{index}")
        yield keras.layers.MaxPooling2D(2, name=f"block{block}_pool")
        if rates[block - 1] > 0:
            yield keras.layers.Dropout(rates[block - 1], seed=next(seeds), name=f"block{block}_dropout")
    yield from _head(config, facts.classes, rates[-1], next(seeds))


def _convolution(config: VggConfig, filters: int, name: str, seed: int) -> keras.Layer:
    return keras.layers.Conv2D(
        filters,
        config.kernel_size,
        padding=config.padding,
        activation=config.activation,
        kernel_initializer=_initializer(config, seed),
        kernel_regularizer=_penalty(config),
        name=name,
    )


def _head(config: VggConfig, classes: int, rate: float, seed: int) -> Iterator[keras.Layer]:
    yield keras.layers.Flatten(name="flatten")
    dropout = [keras.layers.Dropout(rate, seed=seed, name="head_dropout")] if rate > 0 else []
    if config.dropout_position == "before_dense":
        yield from dropout
    yield keras.layers.Dense(
        config.dense_units,
        activation=config.activation,
        kernel_initializer=_initializer(config, seed + 1),
        kernel_regularizer=_penalty(config),
        name="head_dense",
    )
    if config.batch_norm if config.dense_batch_norm is None else config.dense_batch_norm:
        yield keras.layers.BatchNormalization(name="head_norm")
    if config.dropout_position == "after_dense":
        yield from dropout
    yield keras.layers.Dense(
        classes,
        activation="softmax" if config.output == "softmax" else None,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed + 2),
        name="output",
    )


def _initializer(config: VggConfig, seed: int) -> keras.Initializer:
    kinds = {
        "he_uniform": keras.initializers.HeUniform,
        "he_normal": keras.initializers.HeNormal,
        "glorot_uniform": keras.initializers.GlorotUniform,
        "glorot_normal": keras.initializers.GlorotNormal,
        "lecun_normal": keras.initializers.LecunNormal,
        "random_normal": keras.initializers.RandomNormal,
    }
    return kinds[config.kernel_initializer](seed=seed)


def _penalty(config: VggConfig) -> keras.Regularizer | None:
    return keras.regularizers.L2(config.l2) if config.l2 > 0 else None


def dropout_rates(config: DropoutConfig, blocks: int) -> tuple[float, ...]:
    """Rate after each block, then the head's: `blocks + 1` numbers.

    `increasing` is linear in the place: three blocks from 0.2 to 0.5 have 0.2, 0.3, 0.4 and the head 0.5.
    """
    if config.schedule == "constant":
        rates = [config.start] * (blocks + 1)
    elif config.schedule == "increasing":
        step = (config.end - config.start) / blocks
        rates = [*(round(config.start + step * block, 12) for block in range(blocks)), config.end]
    elif config.schedule == "listed":
        rates = [*config.rates[:blocks], 0.0]
    else:
        rates = [0.0] * (blocks + 1)
    return (*rates[:-1], rates[-1] if config.head is None else config.head)


def check_size(config: VggConfig, shape: tuple[int, int, int]) -> None:
    """Follow height and width through the blocks.

    Raises:
        TrialFailure: infeasible, with the block where nothing is left.
    """
    size = min(shape[:2])
    loss = config.kernel_size - 1 if config.padding == "valid" else 0
    for block in range(1, config.blocks + 1):
        size = (size - loss * config.convolutions_per_block) // 2
        if size < 1:
            raise TrialFailure(
                "infeasible",
                f"block {block} of {config.blocks} leaves no pixel of the {shape[0]}x{shape[1]} image; "
                "fewer blocks, or a larger image_size",
            )
