"""VGG-style networks for small images: blocks of convolutions with a pooling layer, then a dense head.

After Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from sweep.errors import TrialFailure
from sweep.models.layers import initializer, l2_penalty, output_layer
from sweep.records.image_facts import ImageFacts
from sweep.space.model_sections import DropoutConfig, VggConfig


def vgg(config: VggConfig, facts: ImageFacts, seed: int, hidden: Any) -> Any:
    """Return the output for scaled pixels.

    Args:
        config: the section `model`.
        facts: facts of the images.
        seed: for initial weights and dropout; each layer gets its own seed, derived from this one.
        hidden: tensor of shape (batch, height, width, channels).

    Raises:
        TrialFailure: infeasible, if a convolution or pooling would leave no pixel.
    """
    check_vgg_size(config, facts.shape)
    for layer in _layers(config, facts.classes, seed):
        hidden = layer(hidden)
    return hidden


def _layers(config: VggConfig, classes: int, seed: int) -> Iterator[keras.Layer]:
    seeds = iter(range(seed, seed + 10_000))
    rates = dropout_rates(config.dropout, config.blocks)
    for block in range(1, config.blocks + 1):
        yield from _block(config, block, seeds)
        if rates[block - 1] > 0:
            yield keras.layers.Dropout(rates[block - 1], seed=next(seeds), name=f"block{block}_dropout")
    yield from _head(config, classes, rates[-1], next(seeds))


def _block(config: VggConfig, block: int, seeds: Iterator[int]) -> Iterator[keras.Layer]:
    width = config.filters[block - 1]
    for index in range(1, config.convolutions_per_block + 1):
        yield _convolution(config, width, config.kernel_size, f"block{block}_conv{index}", next(seeds))
        if config.batch_norm:
            yield keras.layers.BatchNormalization(name=f"block{block}_norm{index}")
        width *= config.filter_growth
    if config.downsampling == "max_pool":
        yield keras.layers.MaxPooling2D(2, name=f"block{block}_pool")
        return
    kernel = config.downsampling_kernel_size
    width //= config.filter_growth  # as wide as the last convolution: this layer only halves the image
    yield _convolution(config, width, kernel, f"block{block}_down", next(seeds), strides=2)
    if config.batch_norm:
        yield keras.layers.BatchNormalization(name=f"block{block}_down_norm")


def _convolution(config: VggConfig, filters: int, kernel: int, name: str, seed: int, **options: Any) -> keras.Layer:
    return keras.layers.Conv2D(
        filters,
        kernel,
        activation=config.activation,
        kernel_initializer=initializer(config.kernel_initializer, seed),
        kernel_regularizer=l2_penalty(config.l2),
        name=name,
        **{"padding": config.padding, **options},
    )


def _head(config: VggConfig, classes: int, rate: float, seed: int) -> Iterator[keras.Layer]:
    norm = config.batch_norm if config.dense_batch_norm is None else config.dense_batch_norm
    if config.head == "conv":
        yield _convolution(config, config.head_filters, config.head_kernel_size, "head_conv", seed + 1, padding="valid")
        if norm:
            yield keras.layers.BatchNormalization(name="head_norm")
    yield keras.layers.Flatten(name="flatten")
    dropout = [keras.layers.Dropout(rate, seed=seed, name="head_dropout")] if rate > 0 else []
    if config.head == "dense":
        dense = list(_dense(config, norm, seed + 1))
        yield from [*dropout, *dense] if config.dropout_position == "before_dense" else [*dense, *dropout]
    else:
        yield from dropout
    yield output_layer(config.output, classes, seed + 2)


def _dense(config: VggConfig, norm: bool, seed: int) -> Iterator[keras.Layer]:
    yield keras.layers.Dense(
        config.dense_units,
        activation=config.activation,
        kernel_initializer=initializer(config.kernel_initializer, seed),
        kernel_regularizer=l2_penalty(config.l2),
        name="head_dense",
    )
    if norm:
        yield keras.layers.BatchNormalization(name="head_norm")


def dropout_rates(config: DropoutConfig, blocks: int) -> tuple[float, ...]:
    """Return the rate after each block, then the head's: `blocks + 1` numbers.

    `increasing` is linear: three blocks from 0.2 to 0.5 have 0.2, 0.3, 0.4 and the head 0.5.
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


def check_vgg_size(config: VggConfig, shape: tuple[int, int, int]) -> None:
    """Check that every block and the head leave at least one pixel.

    Raises:
        TrialFailure: infeasible; the message names the block that leaves no pixel.
    """
    size = min(shape[:2])
    loss = config.kernel_size - 1 if config.padding == "valid" else 0
    for block in range(1, config.blocks + 1):
        size -= loss * config.convolutions_per_block
        if config.downsampling == "max_pool":
            size //= 2
        elif config.padding == "same":
            size = -(-size // 2)
        else:
            size = (size - config.downsampling_kernel_size) // 2 + 1
        if size < 1:
            raise TrialFailure(
                "infeasible",
                f"block {block} of {config.blocks} leaves no pixel of the {shape[0]}x{shape[1]} image; "
                "use fewer blocks, or a larger image_size",
            )
    if config.head == "conv" and size < config.head_kernel_size:
        raise TrialFailure(
            "infeasible",
            f"the head's convolution of {config.head_kernel_size}x{config.head_kernel_size} does not fit into the "
            f"{size}x{size} pixels that are left of the {shape[0]}x{shape[1]} image; use a smaller head_kernel_size, "
            "fewer blocks, or a larger image_size",
        )
