"""From the training section to a Keras optimizer."""

from __future__ import annotations

import keras

from sweep.models.learning_rate_schedule import RateSchedule
from sweep.space.config import TrainingConfig


def make_optimizer(config: TrainingConfig, steps_per_epoch: int | None) -> keras.Optimizer:
    """The optimizer of a trial.

    Args:
        config: of the training.
        steps_per_epoch: for schedules of the learning rate; None leaves the rate constant.
    """
    rate: RateSchedule | float = config.learning_rate
    if config.schedule != "constant" and steps_per_epoch is not None:
        rate = RateSchedule(config, steps_per_epoch)
    optimizer = _plain(config, rate)
    # float16 cannot hold small gradients; so they are computed of a scaled loss.
    return keras.optimizers.LossScaleOptimizer(optimizer) if config.precision == "mixed_float16" else optimizer


def _plain(config: TrainingConfig, rate: RateSchedule | float) -> keras.Optimizer:
    if config.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=config.momentum, clipnorm=config.clipnorm)
    if config.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=config.weight_decay, clipnorm=config.clipnorm)
    kinds = {"adam": keras.optimizers.Adam, "nadam": keras.optimizers.Nadam}
    return kinds[config.optimizer](rate, clipnorm=config.clipnorm)
