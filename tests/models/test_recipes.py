"""The published systems, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from sweep.data.dataset import Dataset, Part
from sweep.models.build import build, untrained
from sweep.models.model_size import count_parameters
from sweep.records.image_facts import DataStamp, ImageFacts
from sweep.space.config import PlateauConfig, TrialConfig
from sweep.space.model_sections import TransferConfig
from sweep.space.reader import read_space
from sweep.training.train import train

RECIPES = Path(__file__).parents[2] / "search_spaces" / "recipes"
CIFAR = ImageFacts((32, 32, 3), 10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))

BLOCK_1 = ["conv 32 3x3 same relu he_uniform"] * 2 + ["pool 2"]
BLOCK_2 = ["conv 64 3x3 same relu he_uniform"] * 2 + ["pool 2"]
BLOCK_3 = ["conv 128 3x3 same relu he_uniform"] * 2 + ["pool 2"]
HEAD = ["flatten", "dense 128 relu he_uniform"]
OUTPUT = ["dense 10 softmax glorot_uniform"]


def config_of(recipe: str) -> TrialConfig:
    return read_space(RECIPES / f"{recipe}.yaml").config({})


def layers_of(recipe: str) -> list[str]:
    """The layers behind the input and the pixel scaling, described."""
    model = build(untrained(config_of(recipe)), CIFAR, seed=0)
    return [describe(layer) for layer in model.layers if not layer.name.startswith("pixels")]


def describe(layer: keras.Layer) -> str:
    text: str = DESCRIBED[type(layer).__name__](layer)
    penalty = getattr(layer, "kernel_regularizer", None)
    return text if penalty is None else f"{text} l2 {float(penalty.l2):g}"


def _initializer(layer: keras.Layer) -> str:
    names = {"HeUniform": "he_uniform", "GlorotUniform": "glorot_uniform", "RandomNormal": "random_normal"}
    return names[type(layer.kernel_initializer).__name__]


DESCRIBED: dict[str, Callable[[keras.Layer], str]] = {
    "Conv2D": lambda layer: (
        f"conv {layer.filters} {layer.kernel_size[0]}x{layer.kernel_size[1]} {layer.padding} "
        f"{'stride 2 ' if layer.strides == (2, 2) else ''}{layer.activation.__name__} {_initializer(layer)}"
    ),
    "MaxPooling2D": lambda layer: f"pool {layer.pool_size[0]}",
    "BatchNormalization": lambda layer: "norm",  # noqa: ARG005 - the layer has no settings
    "Dropout": lambda layer: f"dropout {layer.rate:g}",
    "Flatten": lambda layer: "flatten",  # noqa: ARG005 - the layer has no settings
    "Dense": lambda layer: f"dense {layer.units} {layer.activation.__name__} {_initializer(layer)}",
    "RandomMirror": lambda layer: f"mirror {layer.probability:g}",
    "RandomRotation": lambda layer: f"rotation {layer.factor[1] * 360:g}",
    "RandomZoom": lambda layer: f"zoom {layer.height_factor:g}",
    "Functional": lambda layer: f"{layer.name} of {len(layer.layers)} layers",
    "GlobalAveragePooling2D": lambda layer: "average",  # noqa: ARG005 - the layer has no settings
    "RandomTranslation": lambda layer: f"shift {layer.height_factor:g} {layer.width_factor:g}",
}


def dropped(block: list[str], rate: str) -> list[str]:
    return [*block, f"dropout {rate}"]


def normed(block: list[str]) -> list[str]:
    return [part for text in block for part in ([text, "norm"] if text.startswith(("conv", "dense 128")) else [text])]


def penalized(layers: list[str]) -> list[str]:
    return [f"{text} l2 0.001" if text.startswith(("conv", "dense 128")) else text for text in layers]


VGG3 = [*BLOCK_1, *BLOCK_2, *BLOCK_3, *HEAD, *OUTPUT]
AUGMENTED = ["mirror 0.5", "shift 0.1 0.1"]
DROPOUT = [
    *dropped(BLOCK_1, "0.2"),
    *dropped(BLOCK_2, "0.2"),
    *dropped(BLOCK_3, "0.2"),
    *dropped(HEAD, "0.2"),
    *OUTPUT,
]
INCREASING = [
    *dropped(BLOCK_1, "0.2"),
    *dropped(BLOCK_2, "0.3"),
    *dropped(BLOCK_3, "0.4"),
    *dropped(HEAD, "0.5"),
    *OUTPUT,
]
NORM_NET = [
    "conv 64 3x3 valid relu glorot_uniform", "norm", "pool 2",
    "conv 128 3x3 valid relu glorot_uniform", "norm", "pool 2",
    "conv 64 3x3 valid relu glorot_uniform", "norm", "pool 2",
    "flatten", "dropout 0.5", "dense 32 relu glorot_uniform", "dense 10 linear glorot_uniform",
]  # fmt: skip


def strided(filters: int, dropout: str) -> list[str]:
    plain = [f"conv {filters} 3x3 same relu he_uniform", "norm"] * 2
    return [*plain, f"conv {filters} 5x5 same stride 2 relu he_uniform", "norm", f"dropout {dropout}"]


STRIDED = [
    *strided(48, "0.2"), *strided(64, "0.3"), *strided(128, "0.4"),
    "conv 256 4x4 valid relu he_uniform", "flatten", "dropout 0.5", *OUTPUT,
]  # fmt: skip
SIX = [
    "mirror 0.5", "rotation 20",
    "conv 16 3x3 same relu random_normal", "conv 32 3x3 same relu random_normal", "pool 2",
    "conv 64 3x3 same relu random_normal", "conv 128 3x3 same relu random_normal", "pool 2",
    "conv 256 3x3 same relu random_normal", "conv 512 3x3 same relu random_normal", "pool 2",
    "flatten", "dropout 0.25", *OUTPUT,
]  # fmt: skip
TWO = [
    *["conv 32 3x3 same relu glorot_uniform"] * 2, "pool 2", "dropout 0.2",
    *["conv 64 3x3 same relu glorot_uniform"] * 2, "pool 2", "dropout 0.3",
    "flatten", "dense 256 relu glorot_uniform", "dropout 0.5", *OUTPUT,
]  # fmt: skip
VARIED = ["mirror 0.5", "shift 0.1 0.1", "rotation 15", "zoom 0.2"]
VGG16 = ["vgg16 of 19 layers", "flatten", "dense 128 relu he_uniform", *OUTPUT]


@pytest.mark.parametrize(
    ("recipe", "layers"),
    [
        ("vgg1", [*BLOCK_1, *HEAD, *OUTPUT]),
        ("vgg2", [*BLOCK_1, *BLOCK_2, *HEAD, *OUTPUT]),
        ("vgg3", VGG3),
        ("vgg3-dropout", DROPOUT),
        ("vgg3-weight-decay", penalized(VGG3)),
        ("vgg3-augmentation", [*AUGMENTED, *VGG3]),
        ("vgg3-increasing-dropout", INCREASING),
        ("vgg3-dropout-augmentation", [*AUGMENTED, *DROPOUT]),
        ("vgg3-full", [*AUGMENTED, *normed(INCREASING)]),
        ("batch-norm-net", NORM_NET),
        ("vgg3-nadam-plateau", [*AUGMENTED, *INCREASING]),
        ("vgg3-full-l2", [*AUGMENTED, *penalized(normed(INCREASING))]),
        ("strided-48", STRIDED),
        ("strided-48-restart", STRIDED),
        ("six-layer-net", SIX),
        ("two-block-net", TWO),
        ("two-block-net-augmentation", [*VARIED, *TWO]),
        ("vgg16-frozen", VGG16),
        ("vgg16-last-block", VGG16),
        ("resnet50-fine-tuning", [*VARIED, "resnet50 of 175 layers", "average", *OUTPUT]),
        (
            "resnet50v2-transfer",
            [
                "mirror 0.5",
                "shift 0.05 0.05",
                "zoom 0.05",
                "resnet50v2 of 190 layers",
                "flatten",
                "dense 1024 relu glorot_uniform",
                "dropout 0.2",
                *OUTPUT,
            ],
        ),
    ],
)
def test_a_recipe_builds_the_layers_of_its_description(recipe: str, layers: list[str]) -> None:
    assert layers_of(recipe) == layers


@pytest.mark.parametrize(
    ("recipe", "parameters", "fixed"),
    [
        # By hand: vgg1 896 + 9,248 + 1,048,704 (16 x 16 x 32 to 128) + 1,290.
        ("vgg1", 1_060_138, 0),
        ("vgg2", 591_274, 0),
        ("vgg3", 550_570, 0),
        ("vgg3-full", 552_874, 1_152),
        ("batch-norm-net", 159_018, 512),
    ],
)
def test_a_recipe_has_the_published_number_of_parameters(recipe: str, parameters: int, fixed: int) -> None:
    model = build(config_of(recipe), CIFAR, seed=0)

    assert count_parameters(model) == parameters
    assert sum(weight.value.numpy().size for layer in model.layers for weight in _frozen(layer)) == fixed


def _frozen(layer: keras.Layer) -> list[keras.Variable]:
    return [weight for weight in layer.weights if not weight.trainable]


@pytest.mark.parametrize(
    ("recipe", "optimizer", "learning_rate", "batch_size", "epochs"),
    [
        ("vgg1", "sgd", 0.001, 64, 100),
        ("vgg3-increasing-dropout", "sgd", 0.001, 64, 200),
        ("vgg3-full", "sgd", 0.001, 64, 400),
        ("batch-norm-net", "adam", 0.001, 32, 10),
        ("vgg3-nadam-plateau", "nadam", 0.001, 64, 100),
        ("vgg3-full-l2", "sgd", 0.001, 64, 500),
        ("strided-48", "sgd", 0.001, 64, 300),
        ("six-layer-net", "adam", 0.001, 30, 60),
        ("two-block-net", "adam", 0.001, 64, 50),
        ("two-block-net-augmentation", "adam", 0.001, 64, 50),
        ("resnet50-fine-tuning", "adam", 0.0001, 64, 50),
        ("resnet50v2-transfer", "adam", 0.0005, 32, 10),
        ("vgg16-last-block", "sgd", 0.001, 64, 100),
    ],
)
def test_a_recipe_trains_as_published(
    recipe: str, optimizer: str, learning_rate: float, batch_size: int, epochs: int
) -> None:
    training = config_of(recipe).training

    assert (training.optimizer, training.learning_rate) == (optimizer, learning_rate)
    assert (training.batch_size, training.epochs) == (batch_size, epochs)
    assert training.momentum == 0.9


@pytest.mark.parametrize(
    ("recipe", "plateau"),
    [
        ("vgg3-nadam-plateau", PlateauConfig(monitor="val_loss", factor=0.5, patience=5)),
        ("two-block-net-augmentation", PlateauConfig(monitor="val_loss", factor=0.5, patience=3, min_lr=1e-6)),
        ("two-block-net", None),
    ],
)
def test_a_recipe_reduces_its_rate_as_published(recipe: str, plateau: PlateauConfig | None) -> None:
    assert config_of(recipe).training.reduce_lr_on_plateau == plateau


def test_the_restart_variant_differs_from_strided_48_in_its_rounds_only() -> None:
    plain, rounds = config_of("strided-48"), config_of("strided-48-restart")

    assert rounds.training.restart_every == 10
    assert replace(rounds, training=replace(rounds.training, restart_every=None)) == plain


def test_fine_tuning_resizes_the_images_inside_the_model() -> None:
    model = build(untrained(config_of("resnet50-fine-tuning")), CIFAR, seed=0)

    assert model.input_shape == (None, 32, 32, 3)
    assert model.get_layer("resnet50").input_shape == (None, 128, 128, 3)


def test_the_six_layer_net_holds_a_fifth_out_and_keeps_the_weights_of_the_lowest_validation_loss() -> None:
    config = config_of("six-layer-net")

    assert (config.data.validation, config.objective) == (0.2, "val_loss")


@pytest.mark.parametrize(
    ("recipe", "trained"),
    [
        ("vgg16-frozen", []),
        ("vgg16-last-block", ["block5_conv1", "block5_conv2", "block5_conv3"]),
    ],
)
def test_a_frozen_backbone_is_trained_from_the_described_layer_on(recipe: str, trained: list[str]) -> None:
    model = build(untrained(config_of(recipe)), CIFAR, seed=0)
    backbone = model.get_layer("vgg16")

    assert [layer.name for layer in backbone.layers if layer.weights and layer.trainable] == trained
    assert getattr(config_of(recipe).model, "weights") == "imagenet"  # noqa: B009 - only this builder has them


QUICK = [
    "batch-norm-net", "six-layer-net", "strided-48-restart", "two-block-net-augmentation", "vgg1", "vgg3-full-l2",
    "vgg3-nadam-plateau",
]  # fmt: skip
"""One of each form; the others differ from these in what the tests above compare."""
OTHERS = [path.stem for path in sorted(RECIPES.glob("*.yaml")) if path.stem not in QUICK]


def train_one_epoch(recipe: str) -> None:
    """On 20 images of 32x32 in noise, a model of the recipe's form; a backbone with random weights, not resized."""
    config = untrained(config_of(recipe))
    if isinstance(config.model, TransferConfig):
        config = replace(config, model=replace(config.model, input_size=None))
    config = replace(config, training=replace(config.training, epochs=1, batch_size=16))
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (20, 32, 32, 3), np.uint8)
    labels = np.arange(20, dtype=np.int64) % 10
    part = Part(images, np.arange(20), labels)
    classes = tuple("abcdefghij")
    stamp = DataStamp("0" * 64, "0" * 64, 20, 20, (32, 32, 3), classes)
    dataset = Dataset(part, part, classes, (32, 32, 3), stamp, (0.5,) * 3, (0.25,) * 3)

    result = train(config, dataset, lambda metrics: metrics.epoch < 0)

    assert len(result.epochs) == 1
    assert 0 < result.epochs[0].loss < 1000


@pytest.mark.slow
@pytest.mark.parametrize("recipe", QUICK)
def test_a_recipe_trains_an_epoch(recipe: str) -> None:
    train_one_epoch(recipe)


@pytest.mark.long
@pytest.mark.parametrize("recipe", OTHERS)
def test_every_other_recipe_trains_an_epoch_too(recipe: str) -> None:
    train_one_epoch(recipe)


def test_there_are_recipes_of_all_21_published_systems() -> None:
    assert len(QUICK) + len(OTHERS) == 21
