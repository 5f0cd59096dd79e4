"""Residual networks for small images.

After He et al., "Deep Residual Learning for Image Recognition", 2015, section 4.2 (the form for CIFAR-10). The
unit of "Identity Mappings in Deep Residual Networks", 2016, and the channel weighting of Hu et al.,
"Squeeze-and-Excitation Networks", 2017, are options.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from sweep.errors import TrialFailure
from sweep.models.layers import initializer, l2_penalty, output_layer
from sweep.records.image_facts import ImageFacts
from sweep.space.model_sections import ResnetConfig


def resnet(config: ResnetConfig, facts: ImageFacts, seed: int, hidden: Any) -> Any:
    """Return the output for scaled pixels.

    Args:
        config: the section `model`.
        facts: facts of the images.
        seed: for initial weights and dropout; each layer gets its own seed, derived from this one.
        hidden: tensor of shape (batch, height, width, channels).

    Raises:
        TrialFailure: infeasible, if the image is too small to be halved for all blocks.
    """
    check_resnet_size(config, facts.shape)
    seeds = iter(range(seed, seed + 10_000))
    make = _Layers(config, seeds)
    post = config.unit == "post_activation"
    hidden = make.convolution(config.filters[0], 3, 1, "stem_conv")(hidden)
    if post:
        hidden = make.norm_and_activation("stem", hidden)
    for block in range(1, config.blocks + 1):
        for unit in range(1, config.units_per_block + 1):
            strides = 2 if block > 1 and unit == 1 else 1
            add = _post_activation if post else _pre_activation
            hidden = add(make, hidden, config.filters[block - 1], strides, f"block{block}_unit{unit}")
    if not post:
        hidden = make.norm_and_activation("last", hidden)
    hidden = keras.layers.GlobalAveragePooling2D(name="average")(hidden)
    if config.dropout > 0:
        hidden = keras.layers.Dropout(config.dropout, seed=next(seeds), name="head_dropout")(hidden)
    return output_layer(config.output, facts.classes, next(seeds))(hidden)


@dataclass(frozen=True)
class _Layers:
    """Makes layers with the configuration's settings; each layer takes the next seed."""

    config: ResnetConfig
    seeds: Iterator[int]

    def convolution(self, filters: int, kernel: int, strides: int, name: str) -> keras.Layer:
        return keras.layers.Conv2D(
            filters,
            kernel,
            strides=strides,
            padding="same",
            use_bias=False,  # the BatchNormalization that follows adds a bias
            kernel_initializer=initializer(self.config.kernel_initializer, next(self.seeds)),
            kernel_regularizer=l2_penalty(self.config.l2),
            name=name,
        )

    def norm_and_activation(self, name: str, hidden: Any) -> Any:
        return self.activation(name, keras.layers.BatchNormalization(name=f"{name}_norm")(hidden))

    def activation(self, name: str, hidden: Any) -> Any:
        return keras.layers.Activation(self.config.activation, name=f"{name}_activation")(hidden)

    def shortcut(self, hidden: Any, filters: int, strides: int, name: str) -> Any:
        """Return the input itself, or a 1x1 convolution of it if width or size change (option B of the paper)."""
        if strides == 1 and hidden.shape[-1] == filters:
            return hidden
        return self.convolution(filters, 1, strides, f"{name}_shortcut")(hidden)

    def weighted(self, hidden: Any, name: str) -> Any:
        """Apply squeeze-and-excitation if the configuration has it."""
        if not self.config.squeeze_excite:
            return hidden
        width = hidden.shape[-1]
        squeezed = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(hidden)
        squeezed = self._dense(max(1, width // self.config.squeeze_ratio), "relu", f"{name}_squeeze_dense")(squeezed)
        weights = self._dense(width, "sigmoid", f"{name}_excite_dense")(squeezed)
        return keras.layers.Multiply(name=f"{name}_excite")([hidden, weights])

    def _dense(self, units: int, activation: str, name: str) -> keras.Layer:
        start = initializer(self.config.kernel_initializer, next(self.seeds))
        return keras.layers.Dense(units, activation=activation, kernel_initializer=start, name=name)


def _post_activation(make: _Layers, hidden: Any, filters: int, strides: int, name: str) -> Any:
    inner = make.convolution(filters, 3, strides, f"{name}_conv1")(hidden)
    inner = make.norm_and_activation(f"{name}_1", inner)
    inner = make.convolution(filters, 3, 1, f"{name}_conv2")(inner)
    inner = make.weighted(keras.layers.BatchNormalization(name=f"{name}_2_norm")(inner), name)
    shortcut = make.shortcut(hidden, filters, strides, name)
    if shortcut is not hidden:
        shortcut = keras.layers.BatchNormalization(name=f"{name}_shortcut_norm")(shortcut)
    return make.activation(name, keras.layers.Add(name=f"{name}_add")([inner, shortcut]))


def _pre_activation(make: _Layers, hidden: Any, filters: int, strides: int, name: str) -> Any:
    active = make.norm_and_activation(f"{name}_1", hidden)
    inner = make.convolution(filters, 3, strides, f"{name}_conv1")(active)
    inner = make.norm_and_activation(f"{name}_2", inner)
    inner = make.weighted(make.convolution(filters, 3, 1, f"{name}_conv2")(inner), name)
    changed = strides != 1 or hidden.shape[-1] != filters
    shortcut = make.shortcut(active, filters, strides, name) if changed else hidden
    return keras.layers.Add(name=f"{name}_add")([inner, shortcut])


def check_resnet_size(config: ResnetConfig, shape: tuple[int, int, int]) -> None:
    """Check that the image is large enough: every block except the first halves the image.

    Raises:
        TrialFailure: infeasible, if less than one pixel would be left.
    """
    most = min(shape[:2]).bit_length()
    if config.blocks > most:
        raise TrialFailure(
            "infeasible",
            f"a {shape[0]}x{shape[1]} image can be halved for at most {most} blocks, not {config.blocks}; "
            "use fewer blocks, or a larger image_size",
        )
