"""The published systems, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import pytest

from sweep.models.build import build
from sweep.models.common import count_parameters
from sweep.models.facts import ImageFacts
from sweep.space.config import TrialConfig
from sweep.space.reader import read_space

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
    model = build(config_of(recipe), CIFAR, seed=0)
    return [describe(layer) for layer in model.layers if not layer.name.startswith("pixels")]


def describe(layer: keras.Layer) -> str:
    text: str = DESCRIBED[type(layer).__name__](layer)
    penalty = getattr(layer, "kernel_regularizer", None)
    return text if penalty is None else f"{text} l2 {float(penalty.l2):g}"


def _initializer(layer: keras.Layer) -> str:
    return {"HeUniform": "he_uniform", "GlorotUniform": "glorot_uniform"}[type(layer.kernel_initializer).__name__]


DESCRIBED: dict[str, Callable[[keras.Layer], str]] = {
    "Conv2D": lambda layer: (
        f"conv {layer.filters} {layer.kernel_size[0]}x{layer.kernel_size[1]} {layer.padding} "
        f"{layer.activation.__name__} {_initializer(layer)}"
    ),
    "MaxPooling2D": lambda layer: f"pool {layer.pool_size[0]}",
    "BatchNormalization": lambda layer: "norm",  # noqa: ARG005 - all are alike
    "Dropout": lambda layer: f"dropout {layer.rate:g}",
    "Flatten": lambda layer: "flatten",  # noqa: ARG005 - all are alike
    "Dense": lambda layer: f"dense {layer.units} {layer.activation.__name__} {_initializer(layer)}",
    "RandomMirror": lambda layer: f"mirror {layer.probability:g}",
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
    ],
)
def test_a_recipe_trains_as_published(
    recipe: str, optimizer: str, learning_rate: float, batch_size: int, epochs: int
) -> None:
    training = config_of(recipe).training

    assert (training.optimizer, training.learning_rate) == (optimizer, learning_rate)
    assert (training.batch_size, training.epochs) == (batch_size, epochs)
    assert training.momentum == 0.9
