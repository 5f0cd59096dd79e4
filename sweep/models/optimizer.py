"""The optimizer of a section `training`, and learning rates that change at every step."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from sweep.space.config import TrainingConfig


def make_optimizer(config: TrainingConfig, steps_per_epoch: int | None) -> keras.Optimizer:
    """Return the optimizer of a trial.

    Args:
        config: the section `training`.
        steps_per_epoch: for schedules of the learning rate; None keeps the rate constant.
    """
    rate: RateSchedule | float = config.learning_rate
    if config.schedule != "constant" and steps_per_epoch is not None:
        rate = RateSchedule(config, steps_per_epoch)
    match config.optimizer:
        case "sgd":
            optimizer = keras.optimizers.SGD(rate, momentum=config.momentum, clipnorm=config.clipnorm)
        case "adam":
            optimizer = keras.optimizers.Adam(rate, clipnorm=config.clipnorm)
        case "adamw":
            optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay, clipnorm=config.clipnorm)
        case "nadam":
            optimizer = keras.optimizers.Nadam(rate, clipnorm=config.clipnorm)
    # float16 cannot hold small gradients, so they are computed from a scaled loss.
    return keras.optimizers.LossScaleOptimizer(optimizer) if config.precision == "mixed_float16" else optimizer


class RateSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate as a function of the step alone, so a checkpoint needs no state of the schedule.

    Keras' schedules are not used: Keras has no cyclic one, and none computes the mean rate of an epoch.

    Args:
        config: a section `training` with a schedule other than `constant`; `TrainingConfig` has the formulas.
        steps_per_epoch: batches in an epoch.
    """

    def __init__(self, config: TrainingConfig, steps_per_epoch: int) -> None:
        super().__init__()
        self._config = config
        self._steps_per_epoch = steps_per_epoch

    def __call__(self, step: Any) -> Any:
        """Return the rate at a step, 0 for the first, or at each step of an array."""
        config = self._config
        epochs = keras.ops.cast(step, "float32") / self._steps_per_epoch
        if config.schedule == "cosine":
            height = 0.5 * (1 + keras.ops.cos(math.pi * keras.ops.minimum(epochs / config.epochs, 1.0)))
        else:
            height = 1 - keras.ops.abs(2 * keras.ops.mod(epochs / config.cycle_epochs, 1.0) - 1)
        rate = config.learning_rate * (config.lowest_rate + (1 - config.lowest_rate) * height)
        if config.warmup_epochs == 0:
            return rate
        # The ramp of the first step is above 0, because a rate of 0 would waste this step.
        ramp = (epochs + 1 / self._steps_per_epoch) / config.warmup_epochs
        return rate * keras.ops.minimum(ramp, 1.0)

    def mean(self, first: int, steps: int) -> float:
        """Return the mean rate over `steps` steps, the first of which is step `first`."""
        return float(np.mean(keras.ops.convert_to_numpy(self(np.arange(first, first + steps)))))

    def get_config(self) -> dict[str, Any]:
        """Return what distinguishes schedules. Only `model_digest` uses it: saved models have no optimizer."""
        config = self._config
        return {
            "schedule": config.schedule,
            "learning_rate": config.learning_rate,
            "lowest_rate": config.lowest_rate,
            "warmup_epochs": config.warmup_epochs,
            "cycle_epochs": config.cycle_epochs,
            "epochs": config.epochs,
            "steps_per_epoch": self._steps_per_epoch,
        }
