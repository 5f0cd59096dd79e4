"""Schedules, restarts and 16 bits while a model trains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sweep.data.dataset import Dataset
from sweep.records.trial_result import EpochMetrics
from sweep.space.config import AugmentationConfig, DataConfig, TrainingConfig, TrialConfig
from sweep.space.model_sections import VggConfig
from sweep.training.callbacks import Reporter, RestartFromBest
from sweep.training.train import train

pytestmark = pytest.mark.slow

SMALL = TrialConfig(
    data=DataConfig(name="digits", limit=300, validation=0.2),
    model=VggConfig(blocks=1, filters=(8,), dense_units=16, convolutions_per_block=1),
    training=TrainingConfig(epochs=4, learning_rate=0.01, batch_size=32),
    augmentation=AugmentationConfig(),
    objective="val_accuracy",
    seed=7,
)


def go_on(metrics: EpochMetrics) -> bool:
    return metrics.epoch < 0


def test_the_rate_reported_is_the_mean_of_the_epoch_s_steps(digits: Dataset) -> None:
    training = replace(SMALL.training, schedule="cyclic", cycle_epochs=2, optimizer="adamw", clipnorm=1.0)

    result = train(replace(SMALL, training=training), digits, go_on)

    # Eight steps per epoch; the rate rises from 0 to 0.01 in one epoch and falls again in the next one.
    rates = [metrics.learning_rate for metrics in result.epochs]
    assert rates == pytest.approx([0.004375, 0.005625, 0.004375, 0.005625])


def test_training_restarts_from_the_best_weights(digits: Dataset) -> None:
    # The rate is so high that a later epoch is worse; then the third epoch starts from the weights of the first.
    wild = replace(SMALL.training, learning_rate=0.5, optimizer="sgd", momentum=0.0, restart_every=2)
    result = train(replace(SMALL, training=wild), digits, go_on)
    plain = train(replace(SMALL, training=replace(wild, restart_every=None)), digits, go_on)

    assert [m.loss for m in result.epochs[:2]] == [m.loss for m in plain.epochs[:2]]
    best_first = result.epochs[0].val_accuracy >= result.epochs[1].val_accuracy
    assert (result.epochs[2].loss != plain.epochs[2].loss) == best_first


class Weights:
    """The methods of a model that a restart uses."""

    def __init__(self) -> None:
        self.weights = [np.zeros(1)]

    def set_weights(self, weights: list[np.ndarray]) -> None:
        self.weights = weights


def test_weights_are_restored_only_after_every_second_epoch() -> None:
    reporter = Reporter(SMALL, go_on)
    reporter.best_weights = [np.ones(1)]
    restart = RestartFromBest(2, reporter)
    model = Weights()
    restart.set_model(model)

    seen = []
    for epoch in range(5):
        model.weights = [np.zeros(1)]
        restart.on_epoch_begin(epoch)
        seen.append(float(model.weights[0][0]))

    assert seen == [0, 0, 1, 0, 1]


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_a_trial_in_16_bits_learns_and_gives_the_same_bits_again(digits: Dataset, precision: str) -> None:
    config = replace(SMALL, training=replace(SMALL.training, precision=precision))  # type: ignore[arg-type]

    first = train(config, digits, go_on)

    assert first.epochs[-1].loss < first.epochs[0].loss
    assert first.weights_digest == train(config, digits, go_on).weights_digest
