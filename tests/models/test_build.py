from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from sweep.errors import TrialFailure
from sweep.models.build import build, compile_model, deployable
from sweep.models.vgg import dropout_rates
from sweep.records.image_facts import ImageFacts
from sweep.space.config import AugmentationConfig, DataConfig, TrainingConfig, TrialConfig
from sweep.space.model_sections import DropoutConfig, VggConfig

FACTS = ImageFacts((8, 8, 1), 3, (0.5,), (0.25,))
STRONG = AugmentationConfig(strength=1.0, flip="both", shift=0.25, rotation=90.0, zoom=0.5)


def trial(model: VggConfig | None = None, augmentation: AugmentationConfig | None = None) -> TrialConfig:
    return TrialConfig(
        data=DataConfig(),
        model=model or VggConfig(blocks=1, filters=(4,), dense_units=8),
        training=TrainingConfig(),
        augmentation=augmentation or AugmentationConfig(),
        objective="val_accuracy",
    )


def scaled(scaling: str, pixel: int) -> float:
    """What the network receives for a pixel."""
    config = trial(VggConfig(blocks=1, filters=(4,), pixel_scaling=scaling))  # type: ignore[arg-type]
    model = build(config, FACTS, seed=0)
    last = [layer for layer in model.layers if layer.name.startswith("pixels")][-1]
    fed = keras.Model(model.input, last.output)
    return float(np.asarray(fed(np.full((1, 8, 8, 1), pixel, np.uint8)))[0, 0, 0, 0])


@pytest.mark.parametrize(
    ("scaling", "black", "white"),
    [("unit", 0.0, 1.0), ("centered", -0.5, 0.5), ("standardized", -2.0, 2.0)],
)
def test_pixels_are_scaled_inside_the_model(scaling: str, black: float, white: float) -> None:
    assert scaled(scaling, 0) == pytest.approx(black, abs=1e-5)
    assert scaled(scaling, 255) == pytest.approx(white, abs=1e-5)


@pytest.mark.parametrize(
    ("config", "rates"),
    [
        (DropoutConfig(), (0, 0, 0, 0)),
        (DropoutConfig(schedule="constant", start=0.2), (0.2, 0.2, 0.2, 0.2)),
        (DropoutConfig(schedule="increasing", start=0.2, end=0.5), (0.2, 0.3, 0.4, 0.5)),
        (DropoutConfig(schedule="listed", rates=(0.2, 0.3, 0.1)), (0.2, 0.3, 0.1, 0)),
        (DropoutConfig(schedule="none", head=0.5), (0, 0, 0, 0.5)),
        (DropoutConfig(schedule="constant", start=0.2, head=0.0), (0.2, 0.2, 0.2, 0)),
    ],
)
def test_dropout_rates_follow_the_schedule(config: DropoutConfig, rates: tuple[float, ...]) -> None:
    assert dropout_rates(config, blocks=3) == rates


def test_strength_zero_adds_no_layer() -> None:
    plain = build(trial(), FACTS, seed=0)
    weak = build(trial(augmentation=replace(STRONG, strength=0.0)), FACTS, seed=0)

    assert [layer.name for layer in weak.layers] == [layer.name for layer in plain.layers]


def test_strength_scales_the_maxima_of_every_augmentation() -> None:
    half = build(trial(augmentation=replace(STRONG, strength=0.5)), FACTS, seed=0)
    layers = {layer.name: layer for layer in half.layers}

    assert layers["random_flip"].probability == 0.25
    assert layers["random_shift"].height_factor == 0.125
    assert layers["random_rotation"].factor == (-0.125, 0.125)  # 45 of 360 degrees
    assert layers["random_zoom"].height_factor == 0.25


def test_augmentation_acts_in_training_only() -> None:
    model = build(trial(augmentation=STRONG), FACTS, seed=0)
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1), np.uint8)

    assert np.array_equal(model(images, training=False), model(images, training=False))
    assert not np.allclose(model(images, training=True), model(images, training=False))


def test_a_certain_mirror_turns_every_image_around() -> None:
    config = trial(augmentation=AugmentationConfig(strength=1.0, flip="horizontal"))
    layer = next(layer for layer in build(config, FACTS, seed=0).layers if layer.name == "random_flip")
    layer.probability = 1.0
    images = np.arange(32, dtype=np.float32).reshape(2, 4, 4, 1)

    assert np.array_equal(layer(images, training=True), images[:, :, ::-1])


def test_half_of_the_images_are_mirrored_at_strength_one() -> None:
    config = trial(augmentation=AugmentationConfig(strength=1.0, flip="horizontal"))
    layer = next(layer for layer in build(config, FACTS, seed=0).layers if layer.name == "random_flip")
    images = np.broadcast_to(np.arange(8, dtype=np.float32)[None, None, :, None], (1000, 8, 8, 1))

    mirrored = np.asarray(layer(images, training=True))[:, 0, 0, 0] == 7

    assert 0.45 < mirrored.mean() < 0.55


def test_too_many_blocks_for_the_image_are_infeasible() -> None:
    config = trial(VggConfig(blocks=4, filters=(4, 4, 4, 4)))

    with pytest.raises(TrialFailure) as failure:
        build(config, FACTS, seed=0)

    assert failure.value.cause == "infeasible"
    assert failure.value.message == (
        "block 4 of 4 leaves no pixel of the 8x8 image; use fewer blocks, or a larger image_size"
    )


def test_unpadded_convolutions_shrink_the_image_too() -> None:
    config = trial(VggConfig(blocks=2, filters=(4, 4), padding="valid"))

    with pytest.raises(TrialFailure, match="block 2 of 2 leaves no pixel"):
        build(config, FACTS, seed=0)


def test_a_model_above_max_parameters_is_too_large() -> None:
    # 40 + 148 for the convolutions, 4 x 4 x 4 x 8 + 8 dense, 27 out.
    config = trial(VggConfig(blocks=1, filters=(4,), dense_units=8, max_parameters=734))

    with pytest.raises(TrialFailure) as failure:
        build(config, FACTS, seed=0)

    assert str(failure.value) == "too_large: the model has 735 parameters, more than max_parameters 734"


def test_the_same_seed_gives_the_same_weights_and_another_gives_others() -> None:
    first, again, other = (build(trial(), FACTS, seed=seed).get_weights() for seed in (1, 1, 2))

    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("name", ["sgd", "adam", "nadam"])
def test_the_optimizer_is_the_configured_one(name: str) -> None:
    config = replace(trial(), training=TrainingConfig(optimizer=name, learning_rate=0.25))  # type: ignore[arg-type]
    model = build(config, FACTS, seed=0)

    compile_model(model, config)

    assert type(model.optimizer).__name__.lower() == name
    assert float(model.optimizer.learning_rate) == 0.25
    assert not model.jit_compile


def test_the_deployable_model_is_the_same_function_without_augmentation() -> None:
    config = trial(VggConfig(blocks=1, filters=(4,), batch_norm=True, pixel_scaling="standardized"), STRONG)
    model = build(config, FACTS, seed=3)
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), np.uint8)

    plain = deployable(model, config, FACTS)

    assert not [layer.name for layer in plain.layers if layer.name.startswith("random")]
    assert np.array_equal(plain(images, training=False), model(images, training=False))
