"""Residual networks, layer by layer."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from sweep.errors import TrialFailure
from sweep.models.build import build, deployable
from sweep.models.model_size import count_parameters
from sweep.records.image_facts import ImageFacts
from sweep.space.config import AugmentationConfig, DataConfig, TrainingConfig, TrialConfig
from sweep.space.model_sections import ResnetConfig

FACTS = ImageFacts((8, 8, 3), 10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
SMALL = ResnetConfig(blocks=2, filters=(8, 16), units_per_block=1)


def trial(model: ResnetConfig) -> TrialConfig:
    return TrialConfig(DataConfig(), model, TrainingConfig(), AugmentationConfig(), "val_accuracy")


def model_of(config: ResnetConfig) -> keras.Model:
    return build(trial(config), FACTS, seed=0)


def names(config: ResnetConfig) -> list[str]:
    return [layer.name for layer in model_of(config).layers[2:]]


def test_a_unit_adds_its_input_before_the_last_activation() -> None:
    assert names(replace(SMALL, blocks=1)) == [
        "stem_conv", "stem_norm", "stem_activation",
        "block1_unit1_conv1", "block1_unit1_1_norm", "block1_unit1_1_activation",
        "block1_unit1_conv2", "block1_unit1_2_norm", "block1_unit1_add", "block1_unit1_activation",
        "average", "output",
    ]  # fmt: skip


def test_a_pre_activation_unit_leaves_the_sum_as_it_is() -> None:
    assert names(replace(SMALL, blocks=1, unit="pre_activation")) == [
        "stem_conv",
        "block1_unit1_1_norm", "block1_unit1_1_activation", "block1_unit1_conv1",
        "block1_unit1_2_norm", "block1_unit1_2_activation", "block1_unit1_conv2", "block1_unit1_add",
        "last_norm", "last_activation", "average", "output",
    ]  # fmt: skip


def test_the_second_block_halves_the_image_and_widens_it() -> None:
    layers = {layer.name: layer for layer in model_of(SMALL).layers}

    assert layers["block1_unit1_add"].output.shape == (None, 8, 8, 8)
    assert layers["block2_unit1_add"].output.shape == (None, 4, 4, 16)
    assert layers["block2_unit1_shortcut"].kernel_size == (1, 1)


def test_squeeze_and_excitation_weighs_each_channel_of_an_image() -> None:
    model = model_of(replace(SMALL, squeeze_excite=True, squeeze_ratio=2))
    layers = {layer.name: layer for layer in model.layers}

    assert layers["block2_unit1_squeeze_dense"].units == 8
    assert layers["block2_unit1_excite_dense"].output.shape == (None, 1, 1, 16)
    assert layers["block2_unit1_excite"].output.shape == (None, 4, 4, 16)


def test_the_published_twenty_layers_have_their_270_thousand_parameters() -> None:
    # He et al. 2015, table 6: ResNet-20 has 0.27 M. By hand, with projections (option B): stem 496, blocks 14,208,
    # 52,096 and 206,592, output 650.
    cifar = ImageFacts((32, 32, 3), 10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    model = build(trial(ResnetConfig(blocks=3, filters=(16, 32, 64), units_per_block=3)), cifar, seed=0)

    assert sum(isinstance(layer, keras.layers.Conv2D) for layer in model.layers) == 19 + 2
    assert count_parameters(model) == 274_042


def test_a_block_that_cannot_halve_the_image_is_infeasible() -> None:
    with pytest.raises(TrialFailure, match="infeasible: a 8x8 image can be halved for at most 4 blocks, not 5"):
        model_of(replace(SMALL, blocks=5, filters=(8,) * 5))


@pytest.mark.parametrize("unit", ["post_activation", "pre_activation"])
def test_the_deployable_model_is_the_same_function(unit: str) -> None:
    config = trial(replace(SMALL, unit=unit, squeeze_excite=True))  # type: ignore[arg-type]
    model = build(config, FACTS, seed=3)
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)

    assert np.array_equal(deployable(model, config, FACTS)(images), model(images))
