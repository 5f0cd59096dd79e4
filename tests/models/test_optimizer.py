from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from sweep.models.build import build, compile_model
from sweep.models.optimizer import RateSchedule, make_optimizer
from sweep.records.image_facts import ImageFacts
from sweep.space.config import AugmentationConfig, DataConfig, PlateauConfig, TrainingConfig, TrialConfig
from sweep.space.model_sections import ResnetConfig

COSINE = TrainingConfig(epochs=10, learning_rate=0.2, schedule="cosine")
CYCLIC = TrainingConfig(epochs=10, learning_rate=0.2, schedule="cyclic", cycle_epochs=4, lowest_rate=0.1)
FACTS = ImageFacts((8, 8, 3), 3, (0.5,) * 3, (0.25,) * 3)


def rates(config: TrainingConfig, *epochs: float) -> list[float]:
    """The rates at these epochs of five steps each."""
    schedule = RateSchedule(config, steps_per_epoch=5)
    return [float(schedule(round(epoch * 5))) for epoch in epochs]


def test_a_cosine_falls_from_the_rate_to_the_lowest() -> None:
    assert rates(COSINE, 0, 5, 10) == pytest.approx([0.2, 0.1, 0.0], abs=1e-7)
    assert rates(replace(COSINE, lowest_rate=0.5), 0, 5, 10) == pytest.approx([0.2, 0.15, 0.1])


def test_a_cosine_is_keras_s_own() -> None:
    theirs = keras.optimizers.schedules.CosineDecay(0.2, decay_steps=50)

    assert rates(COSINE, 1, 3, 8) == pytest.approx([float(theirs(step)) for step in (5, 15, 40)])


def test_a_cycle_rises_and_falls_in_straight_lines() -> None:
    assert rates(CYCLIC, 0, 1, 2, 3, 4, 6) == pytest.approx([0.02, 0.11, 0.2, 0.11, 0.02, 0.2])


def test_a_warm_up_multiplies_the_rate_by_a_ramp() -> None:
    assert rates(replace(CYCLIC, warmup_epochs=2), 0, 1, 2) == pytest.approx([0.02 * 0.1, 0.11 * 0.6, 0.2])


def test_the_mean_of_an_epoch_is_that_of_its_steps() -> None:
    schedule = RateSchedule(CYCLIC, steps_per_epoch=5)

    assert schedule.mean(first=5, steps=5) == pytest.approx(np.mean(rates(CYCLIC, 1, 1.2, 1.4, 1.6, 1.8)))


def test_adamw_decays_and_clips_as_configured() -> None:
    config = TrainingConfig(optimizer="adamw", weight_decay=0.125, clipnorm=0.5)
    optimizer = make_optimizer(config, None)

    assert type(optimizer).__name__ == "AdamW"
    assert (optimizer.weight_decay, optimizer.clipnorm) == (0.125, 0.5)


def trial(precision: str) -> TrialConfig:
    training = TrainingConfig(precision=precision, batch_size=8)  # type: ignore[arg-type]
    model = ResnetConfig(blocks=1, filters=(8,), units_per_block=1)
    return TrialConfig(DataConfig(), model, training, AugmentationConfig(), "val_accuracy")


@pytest.mark.parametrize(("precision", "computed"), [("mixed_float16", "float16"), ("mixed_bfloat16", "bfloat16")])
def test_mixed_precision_computes_in_16_bits_and_keeps_weights_and_outputs_in_32(precision: str, computed: str) -> None:
    model = build(trial(precision), FACTS, seed=0)
    layer = model.get_layer("stem_conv")

    assert (layer.compute_dtype, layer.variable_dtype) == (computed, "float32")
    assert model.get_layer("output").compute_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_a_step_in_float16_scales_the_loss_and_moves_the_weights() -> None:
    model = build(trial("mixed_float16"), FACTS, seed=0)
    compile_model(model, trial("mixed_float16"), 1)
    before = model.get_layer("output").get_weights()[0]

    images = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), np.uint8)
    loss, *_ = model.train_on_batch(images, np.eye(3, dtype=np.float32)[np.arange(8) % 3])

    assert type(model.optimizer).__name__ == "LossScaleOptimizer"
    assert 0.5 < loss < 5
    assert not np.array_equal(before, model.get_layer("output").get_weights()[0])


def test_a_plateau_beside_a_schedule_is_refused() -> None:
    with pytest.raises(ValueError, match="`reduce_lr_on_plateau` needs `schedule: constant`, not cosine"):
        TrainingConfig(schedule="cosine", reduce_lr_on_plateau=PlateauConfig())
