"""Learning rates that change at every step, as functions of the step alone: nothing to save, nothing to restore."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from sweep.space.config import TrainingConfig


class RateSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of each step.

    Written here, because Keras has no cyclic one, and because the mean over an epoch takes one call with all its steps.

    Args:
        config: with a schedule that is not `constant`; see there for the formulas.
        steps_per_epoch: batches in an epoch.
    """

    def __init__(self, config: TrainingConfig, steps_per_epoch: int) -> None:
        super().__init__()
        self._config = config
        self._steps_per_epoch = steps_per_epoch

    def __call__(self, step: Any) -> Any:
        """The rate at a step, 0 for the first; of many steps at once if `step` is an array."""
        config = self._config
        epochs = keras.ops.cast(step, "float32") / self._steps_per_epoch
        if config.schedule == "cosine":
            height = 0.5 * (1 + keras.ops.cos(math.pi * keras.ops.minimum(epochs / config.epochs, 1.0)))
        else:
            height = 1 - keras.ops.abs(2 * keras.ops.mod(epochs / config.cycle_epochs, 1.0) - 1)
        rate = config.learning_rate * (config.lowest_rate + (1 - config.lowest_rate) * height)
        if config.warmup_epochs == 0:
            return rate
        # The first step has the first part of the ramp, not a rate of 0.
        ramp = (epochs + 1 / self._steps_per_epoch) / config.warmup_epochs
        return rate * keras.ops.minimum(ramp, 1.0)

    def mean(self, first: int, steps: int) -> float:
        """The mean rate of so many steps from `first` on."""
        return float(np.mean(keras.ops.convert_to_numpy(self(np.arange(first, first + steps)))))

    def get_config(self) -> dict[str, Any]:
        """What Keras would write with an optimizer; a saved model has none. Tells one schedule from another."""
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
