"""The `model` section: one dataclass for each builder, found by the builder's name.

Each dataclass has the fields `builder`, `output` and `max_parameters`, and `pixel_scaling` as a field or class
constant; the other fields are specific to the builder. To add a builder, define its section here, add the section to
`MODEL_SECTIONS` and `ModelConfig`, and add the function to `sweep.models.build`.

A user's model is a builder function or a KerasTuner hypermodel. The section of a builder function also has the
function's parameters as keys. A record contains the folder of the module and the digest of the source file, because
only the two together identify the code.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from annotated_types import Ge, Le
from pydantic import Field, StringConstraints, model_serializer, model_validator
from pydantic.dataclasses import dataclass

from sweep.space.fields import MAX_IMAGE_SIZE, NOT_SEARCHED, STRICT, Digest, OnlyWhen, PositiveInt, Rate, Value

MAX_BLOCKS = 8

Activation: TypeAlias = Literal["relu", "elu", "gelu", "leaky_relu", "selu", "silu", "tanh"]
Initializer: TypeAlias = Literal[
    "he_uniform", "he_normal", "glorot_uniform", "glorot_normal", "lecun_normal", "random_normal"
]
PixelScaling: TypeAlias = Literal["unit", "centered", "standardized"]
"""The input of the network: `unit` divides pixels by 255; `centered` also subtracts the mean of the training images per
channel; `standardized` then divides by their standard deviation per channel."""
Output: TypeAlias = Literal["softmax", "logits"]
"""The output of the network: `softmax` probabilities, or `logits`, to which the loss then applies softmax (the results
differ only by rounding)."""
Width: TypeAlias = Annotated[int, Ge(1), Le(4096)]
ResnetWidth: TypeAlias = Annotated[int, Ge(8), Le(4096)]
"""At least 8: residual networks with 4 filters in the first block corrupt the heap in TensorFlow 2.21 on x86
(observed with oneDNN)."""
DenseUnits: TypeAlias = Annotated[int, Ge(1), Le(65536)]
REFERENCE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"
"""`package.module:name`."""
Reference: TypeAlias = Annotated[str, StringConstraints(pattern=REFERENCE)]
Scaling: TypeAlias = Literal["raw", "unit", "centered", "standardized"]
"""The input of the network: `raw` pixels 0..255, or one of `PixelScaling`."""

GIVEN = ("input_shape", "classes", "num_classes", "seed", "inputs")
"""Parameters of a builder whose values sweep supplies, in this order: (height, width, channels); the number of classes,
under two names; an integer derived from the trial's seed; a Keras tensor of scaled and augmented pixels."""


@dataclass(frozen=True, config=STRICT)
class DropoutConfig:
    """Dropout after every block and in the head.

    Attributes:
        schedule: `none`; `constant`: `start` everywhere; `increasing`: rises linearly from `start` after the first
            block to `end` in the head; `listed`: `rates` after the blocks, and none in the head unless `head` is set.
        head: rate in the head; None follows the schedule.
    """

    schedule: Literal["none", "constant", "increasing", "listed"] = "none"
    start: Annotated[Rate, OnlyWhen("schedule", "constant", "increasing")] = 0.2
    end: Annotated[Rate, OnlyWhen("schedule", "increasing")] = 0.5
    rates: Annotated[tuple[Rate, ...], OnlyWhen("schedule", "listed")] = ()
    head: Rate | None = None


@dataclass(frozen=True, config=STRICT)
class VggConfig:
    """A stack of VGG blocks, which halve the image after their convolutions, and a head.

    Attributes:
        filters: width of each block: at least one value per block, further ones are ignored.
        filter_growth: factor by which the width grows from one convolution of a block to the next.
        batch_norm: BatchNormalization after every convolution.
        downsampling: `max_pool`: 2x2 at the end of each block; `strided_conv`: one more convolution with stride 2.
        downsampling_kernel_size: kernel size of the strided convolution.
        head: layers between the last block and the output layer: a `dense` layer after Flatten, a `conv` layer without
            padding before Flatten, or only Flatten (`none`).
        dropout_position: position of the head's dropout relative to the dense layer.
        l2: factor of the L2 penalty on the kernels of convolutions and of the head's dense layer; 0: no penalty.
        dense_batch_norm: BatchNormalization after the head's layer; None follows `batch_norm`.
        max_parameters: maximum number of parameters; a larger model is infeasible.
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
    downsampling_kernel_size: Annotated[int, Ge(1), Le(11), OnlyWhen("downsampling", "strided_conv")] = 5
    dropout: DropoutConfig = field(default_factory=DropoutConfig)
    head: Literal["dense", "conv", "none"] = "dense"
    dropout_position: Annotated[Literal["after_dense", "before_dense"], OnlyWhen("head", "dense")] = "after_dense"
    l2: Annotated[float, Ge(0)] = 0.0
    dense_units: Annotated[DenseUnits, OnlyWhen("head", "dense")] = 128
    dense_batch_norm: Annotated[bool | None, OnlyWhen("head", "dense", "conv")] = None
    head_filters: Annotated[Width, OnlyWhen("head", "conv")] = 256
    head_kernel_size: Annotated[int, Ge(1), Le(32), OnlyWhen("head", "conv")] = 4
    pixel_scaling: PixelScaling = "unit"
    output: Output = "softmax"
    max_parameters: Annotated[PositiveInt | None, NOT_SEARCHED] = None


@dataclass(frozen=True, config=STRICT)
class ResnetConfig:
    """A residual network: blocks of residual units, which halve the image from block to block, then average pooling.

    Attributes:
        blocks: groups of units of one width (the stages of the paper); each except the first halves the image.
        filters: width of each block: at least one value per block, further ones are ignored.
        units_per_block: residual units (two 3x3 convolutions and a shortcut) in each block.
        unit: `post_activation` as in He et al. 2015 (addition, then activation), or `pre_activation` as in He et al.
            2016 (BatchNormalization and activation before each convolution, an identity shortcut).
        squeeze_excite: True if each unit scales its channels by factors computed from their averages (Hu et al. 2017).
        squeeze_ratio: number of channels divided by the width of the hidden layer that computes these factors.
        dropout: rate before the output layer.
        l2: factor of the L2 penalty on every convolution kernel; 0: no penalty.
        max_parameters: maximum number of parameters; a larger model is infeasible.
    """

    builder: Annotated[Literal["resnet"], NOT_SEARCHED] = "resnet"
    blocks: Annotated[int, Ge(1), Le(MAX_BLOCKS)] = 3
    filters: tuple[ResnetWidth, ...] = (16, 32, 64)
    units_per_block: Annotated[int, Ge(1), Le(50)] = 2
    unit: Literal["post_activation", "pre_activation"] = "post_activation"
    activation: Activation = "relu"
    kernel_initializer: Initializer = "he_normal"
    squeeze_excite: bool = False
    squeeze_ratio: Annotated[int, Ge(1), Le(64), OnlyWhen("squeeze_excite", True)] = 16
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
"""Functions of keras.applications, listed here because a space is read without Keras; a test compares the names."""


@dataclass(frozen=True, config=STRICT)
class TransferConfig:
    """A network of keras.applications without its top, with a new head.

    The preprocessing that the network expects is part of the model, which takes raw pixels.

    Attributes:
        backbone: the name of a function of keras.applications.
        weights: `imagenet` (downloaded by Keras, or already in its cache), `none` (random), or the path of a weights
            file (.h5 or .weights.h5) of the backbone without its top, relative to the space file.
        weights_digest: SHA-256 of the weights file, set when a sweep starts: a trial refuses a file that has changed.
        input_size: height and width to which the model resizes images; None: not resized.
        trainable: share of the backbone's layers with weights, counted from its output, that are trained; 0 freezes
            all layers, 1 trains all. Frozen BatchNormalization uses its stored statistics.
        pooling: how the backbone's last feature maps become a vector.
        dense_units: width of the hidden dense layer.
        dropout: rate before the output layer.
        max_parameters: maximum number of parameters; a larger model is infeasible.
    """

    pixel_scaling: ClassVar[Literal["raw"]] = "raw"

    builder: Annotated[Literal["transfer"], NOT_SEARCHED] = "transfer"
    backbone: Backbone = "MobileNetV2"
    weights: Annotated[str, StringConstraints(min_length=1), NOT_SEARCHED] = "imagenet"
    weights_digest: Annotated[Digest | None, NOT_SEARCHED] = None
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


@dataclass(frozen=True, config=STRICT)
class UserBuilderConfig:
    """A user's builder function.

    Attributes:
        builder: `package.module:function`; a module in the folder of the space file is preferred to an installed one.
        arguments: values of the function's parameters; in JSON and YAML they are keys of the section itself.
        pixel_scaling: the input of the network, see `Scaling`.
        output: the output of the network, see `Output`.
        max_parameters: maximum number of parameters; a larger model is infeasible.
        folder: folder of the module; None if the module is installed.
        source_digest: SHA-256 of the module's file.
    """

    builder: Annotated[Reference, NOT_SEARCHED]
    arguments: Mapping[str, Value] = field(default_factory=dict)
    pixel_scaling: Annotated[Scaling, NOT_SEARCHED] = "raw"
    output: Annotated[Output, NOT_SEARCHED] = "softmax"
    max_parameters: Annotated[PositiveInt | None, NOT_SEARCHED] = None
    folder: Annotated[str | None, NOT_SEARCHED] = None
    source_digest: Annotated[Digest | None, NOT_SEARCHED] = None

    @property
    def reference(self) -> str:
        """`package.module:function`."""
        return self.builder

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, given: Any) -> Any:
        """Move the keys that are parameters of the function into `arguments`."""
        if not isinstance(given, dict):
            return given
        known = {item.name for item in dataclasses.fields(cls)} - {"arguments"}
        arguments = {key: value for key, value in given.items() if key not in known}
        return {**{key: value for key, value in given.items() if key in known}, "arguments": arguments}

    @model_serializer(mode="wrap")
    def _spread(self, write: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        written = write(self)
        arguments = written.pop("arguments")
        return {**written, **arguments}


@dataclass(frozen=True, config=STRICT)
class HypermodelConfig:
    """A KerasTuner hypermodel: a `HyperModel` class or instance, or a function `build(hp)`.

    Attributes:
        hypermodel: `package.module:name`; a module in the folder of the space file is preferred to an installed one.
        hyperparameters: values by name; the ones that the file does not set are found by building the hypermodel.
        labels: format of the labels; `auto` follows the compiled model's loss, or is `one_hot` if there is no loss.
        pixel_scaling, output, max_parameters, folder, source_digest: see `UserBuilderConfig`.
    """

    hypermodel: Annotated[Reference, NOT_SEARCHED]
    builder: Annotated[Literal["keras_tuner"], NOT_SEARCHED] = "keras_tuner"
    hyperparameters: Mapping[str, Value] = field(default_factory=dict)
    labels: Annotated[Literal["auto", "one_hot", "integer"], NOT_SEARCHED] = "auto"
    pixel_scaling: Annotated[Scaling, NOT_SEARCHED] = "raw"
    output: Annotated[Output, NOT_SEARCHED] = "softmax"
    max_parameters: Annotated[PositiveInt | None, NOT_SEARCHED] = None
    folder: Annotated[str | None, NOT_SEARCHED] = None
    source_digest: Annotated[Digest | None, NOT_SEARCHED] = None

    @property
    def reference(self) -> str:
        """`package.module:name`."""
        return self.hypermodel


ModelConfig: TypeAlias = Annotated[VggConfig | ResnetConfig | TransferConfig, Field(discriminator="builder")]

MODEL_SECTIONS: dict[str, type[Any]] = {"vgg": VggConfig, "resnet": ResnetConfig, "transfer": TransferConfig}
"""The sections of the built-in builders, by the name of the builder."""

UserModelConfig: TypeAlias = UserBuilderConfig | HypermodelConfig

HYPERPARAMETERS = ("model", "hyperparameters")
"""Path of a hypermodel's values in the configuration; the key below it is the hyperparameter's name in KerasTuner."""
