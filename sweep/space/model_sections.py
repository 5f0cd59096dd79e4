"""The `model` section: one dataclass for each builder, found by the builder's name.

Every one has the fields `builder`, `output`, `max_parameters`, and says with `pixel_scaling` (a field, or a constant of
the class) what its network is fed with; the rest is the builder's own. A new builder needs its section here, in
`MODEL_SECTIONS` and `ModelConfig`, and its function in `sweep.models.build`.
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from annotated_types import Ge, Le
from pydantic import Field, StringConstraints
from pydantic.dataclasses import dataclass

from sweep.space.fields import MAX_IMAGE_SIZE, NOT_SEARCHED, STRICT, OnlyWhen, PositiveInt, Rate

MAX_BLOCKS = 8

Activation: TypeAlias = Literal["relu", "elu", "gelu", "leaky_relu", "selu", "silu", "tanh"]
Initializer: TypeAlias = Literal[
    "he_uniform", "he_normal", "glorot_uniform", "glorot_normal", "lecun_normal", "random_normal"
]
PixelScaling: TypeAlias = Literal["unit", "centered", "standardized"]
"""`unit` divides by 255; `centered` then subtracts the training images' mean per channel; `standardized` also divides
by their standard deviation per channel."""
Output: TypeAlias = Literal["softmax", "logits"]
"""`softmax` probabilities, or `logits` with the loss computed from them (the same function in exact arithmetic)."""
Width: TypeAlias = Annotated[int, Ge(1), Le(4096)]
ResnetWidth: TypeAlias = Annotated[int, Ge(8), Le(4096)]
"""Residual nets with 4 filters in the first block corrupt the heap in TensorFlow 2.21 on x86 (seen with oneDNN)."""
DenseUnits: TypeAlias = Annotated[int, Ge(1), Le(65536)]


@dataclass(frozen=True, config=STRICT)
class DropoutConfig:
    """Dropout after every block and in the head.

    Attributes:
        schedule: `none`; `constant`: `start` everywhere; `increasing`: linear from `start` after the first block to
            `end` in the head; `listed`: `rates` after the blocks and nothing in the head unless `head` says so.
        head: rate in the head; None takes what the schedule gives.
    """

    schedule: Literal["none", "constant", "increasing", "listed"] = "none"
    start: Annotated[Rate, OnlyWhen("schedule", "constant", "increasing")] = 0.2
    end: Annotated[Rate, OnlyWhen("schedule", "increasing")] = 0.5
    rates: Annotated[tuple[Rate, ...], OnlyWhen("schedule", "listed")] = ()
    head: Rate | None = None


@dataclass(frozen=True, config=STRICT)
class VggConfig:
    """A stack of VGG blocks: convolutions and a halving of the image, then a head.

    Attributes:
        filters: width of each block; as many as there are blocks, more are not used.
        filter_growth: factor of the width from one convolution of a block to the next.
        batch_norm: BatchNormalization after every convolution.
        downsampling: `max_pool`: 2x2 at the end of each block; `strided_conv`: one more convolution, of stride 2.
        downsampling_kernel_size: of that convolution.
        head: what stands between the last block and the output layer: a `dense` layer, a `conv` layer without padding,
            or `none` of both; Flatten comes before a dense layer and after a convolution.
        dense_batch_norm: BatchNormalization after the head's layer; None follows `batch_norm`.
        dropout_position: where the head's dropout sits relative to the dense layer.
        l2: weight of the L2 penalty on every convolution and dense kernel (not on the output layer's bias); 0 is none.
        pixel_scaling: see `PixelScaling`.
        output: see `Output`.
        max_parameters: a larger model is infeasible.
    """

    builder: Annotated[Literal["vgg"], NOT_SEARCHED] = "vgg"
    blocks: Annotated[int, Ge(1), Le(MAX_BLOCKS)] = 3
    filters: tuple[Width, ...] = (32, 64, 128)
    convolutions_per_block: Annotated[int, Ge(1), Le(8)] = 2
    filter_growth: Annotated[int, Ge(1), Le(4)] = 1
    kernel_size: Annotated[int, Ge(1), Le(11)] = 3
    padding: Literal["same", "valid"] = "same"
    activation: Activation = "relu"
    kernel_initializer: Initializer = "he_uniform"
    batch_norm: bool = False
    downsampling: Literal["max_pool", "strided_conv"] = "max_pool"
    downsampling_kernel_size: Annotated[Annotated[int, Ge(1), Le(11)], OnlyWhen("downsampling", "strided_conv")] = 5
    dropout: DropoutConfig = field(default_factory=DropoutConfig)
    head: Literal["dense", "conv", "none"] = "dense"
    dropout_position: Annotated[Literal["after_dense", "before_dense"], OnlyWhen("head", "dense")] = "after_dense"
    l2: Annotated[float, Ge(0)] = 0.0
    dense_units: Annotated[DenseUnits, OnlyWhen("head", "dense")] = 128
    dense_batch_norm: Annotated[bool | None, OnlyWhen("head", "dense", "conv")] = None
    head_filters: Annotated[Width, OnlyWhen("head", "conv")] = 256
    head_kernel_size: Annotated[Annotated[int, Ge(1), Le(32)], OnlyWhen("head", "conv")] = 4
    pixel_scaling: PixelScaling = "unit"
    output: Output = "softmax"
    max_parameters: Annotated[PositiveInt | None, NOT_SEARCHED] = None


@dataclass(frozen=True, config=STRICT)
class ResnetConfig:
    """A residual network: blocks of residual units, the image halved from block to block, then average pooling.

    Attributes:
        blocks: groups of units of one width (the stages of the paper); each but the first halves the image.
        filters: width of each block, at least 8; as many as there are blocks, more are not used.
        units_per_block: residual units (two 3x3 convolutions and a shortcut) in each block.
        unit: `post_activation` as He et al. 2015 (addition, then activation), or `pre_activation` as He et al. 2016
            (BatchNormalization and activation before each convolution, a clear path for the shortcut).
        squeeze_excite: each unit's channels are weighted by what they hold on average (Hu et al. 2017).
        squeeze_ratio: channels over the width of the weighting's hidden layer.
        dropout: rate before the output layer.
        l2: weight of the L2 penalty on every convolution kernel; 0 is none.
        max_parameters: a larger model is infeasible.
    """

    builder: Annotated[Literal["resnet"], NOT_SEARCHED] = "resnet"
    blocks: Annotated[int, Ge(1), Le(MAX_BLOCKS)] = 3
    filters: tuple[ResnetWidth, ...] = (16, 32, 64)
    units_per_block: Annotated[int, Ge(1), Le(50)] = 2
    unit: Literal["post_activation", "pre_activation"] = "post_activation"
    activation: Activation = "relu"
    kernel_initializer: Initializer = "he_normal"
    squeeze_excite: bool = False
    squeeze_ratio: Annotated[Annotated[int, Ge(1), Le(64)], OnlyWhen("squeeze_excite", True)] = 16
    dropout: Rate = 0.0
    l2: Annotated[float, Ge(0)] = 0.0
    pixel_scaling: PixelScaling = "unit"
    output: Output = "softmax"
    max_parameters: Annotated[PositiveInt | None, NOT_SEARCHED] = None


Backbone: TypeAlias = Literal[
    "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtSmall", "ConvNeXtTiny", "ConvNeXtXLarge",
    "DenseNet121", "DenseNet169", "DenseNet201",
    "EfficientNetB0", "EfficientNetB1", "EfficientNetB2", "EfficientNetB3",
    "EfficientNetB4", "EfficientNetB5", "EfficientNetB6", "EfficientNetB7",
    "EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2", "EfficientNetV2B3",
    "EfficientNetV2S", "EfficientNetV2M", "EfficientNetV2L",
    "InceptionResNetV2", "InceptionV3",
    "MobileNet", "MobileNetV2", "MobileNetV3Large", "MobileNetV3Small",
    "NASNetLarge", "NASNetMobile",
    "ResNet50", "ResNet101", "ResNet152", "ResNet50V2", "ResNet101V2", "ResNet152V2",
    "VGG16", "VGG19", "Xception",
]  # fmt: skip
"""Functions of keras.applications. Written out, because a space is read without Keras; a test compares."""


@dataclass(frozen=True, config=STRICT)
class TransferConfig:
    """A network of keras.applications without its top, under a new head.

    Its own preprocessing of raw pixels is part of the model.

    Attributes:
        backbone: the name of a function of keras.applications.
        weights: `imagenet` (fetched by Keras, or put into its folder before), `none` (random ones), or the path of a
            weights file (.h5 or .weights.h5) of the backbone without its top, relative to the space's file.
        weights_digest: sha256 of that file, filled in when a sweep starts: a trial refuses a file that has changed.
        input_size: height and width that images are resized to inside the model; None feeds them as they are.
        trainable: share of the backbone's layers with weights, counted from its output, that are trained; 0 freezes
            all, 1 trains all. Frozen BatchNormalization uses its stored statistics.
        pooling: what becomes of the backbone's last feature maps.
        dense_units: width of a hidden dense layer.
        dropout: rate before the output layer.
        max_parameters: a larger model is infeasible.
    """

    pixel_scaling: ClassVar[Literal["raw"]] = "raw"

    builder: Annotated[Literal["transfer"], NOT_SEARCHED] = "transfer"
    backbone: Backbone = "MobileNetV2"
    weights: Annotated[Annotated[str, StringConstraints(min_length=1)], NOT_SEARCHED] = "imagenet"
    weights_digest: Annotated[Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] | None, NOT_SEARCHED] = None
    input_size: Annotated[int, Ge(32), Le(MAX_IMAGE_SIZE)] | None = None
    trainable: Annotated[float, Ge(0), Le(1)] = 0.0
    pooling: Literal["average", "max", "flatten"] = "average"
    head: Literal["dense", "none"] = "none"
    dense_units: Annotated[DenseUnits, OnlyWhen("head", "dense")] = 128
    activation: Annotated[Activation, OnlyWhen("head", "dense")] = "relu"
    kernel_initializer: Annotated[Initializer, OnlyWhen("head", "dense")] = "glorot_uniform"
    dropout: Rate = 0.0
    output: Output = "softmax"
    max_parameters: Annotated[PositiveInt | None, NOT_SEARCHED] = None


ModelConfig: TypeAlias = Annotated[VggConfig | ResnetConfig | TransferConfig, Field(discriminator="builder")]

MODEL_SECTIONS: dict[str, type[Any]] = {"vgg": VggConfig, "resnet": ResnetConfig, "transfer": TransferConfig}
"""By the name that `model.builder` has."""


def section_of(builder: str) -> type[Any] | None:
    """The section of a builder; None where there is no such builder."""
    return MODEL_SECTIONS.get(builder)
