"""Writing a checkpoint of a Keras model after each epoch, and resuming from it; file format: `records.checkpoint`."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from sweep.records.checkpoint import Checkpoint, State, checkpoints, write_checkpoint
from sweep.records.trial_result import EpochMetrics, OnEpoch
from sweep.training.callbacks import Reporter, Stateful
from sweep.training.tf_determinism import state_variables

_log = logging.getLogger("sweep.training")


class Resumption:
    """The checkpoints of one trial during its training.

    Args:
        folder: the trial's folder; None for no checkpoints.
        owner: `checkpoint.identity` of the trial.
        model: the model, built and compiled.
        callbacks: callbacks of `fit`; checkpoints contain the state of those that are `Stateful`.
        reporter: the trial's reporter, which has the epochs and the best weights.
        build_seconds: time for building the model in this start of the trial.

    Attributes:
        ended: True if early stopping had already ended training at the restored checkpoint.
        build_seconds: time for building the model in all starts of the trial.
    """

    def __init__(
        self,
        folder: Path | None,
        owner: str,
        model: keras.Model,
        callbacks: Sequence[keras.callbacks.Callback],
        reporter: Reporter,
        build_seconds: float,
    ) -> None:
        self._folder = folder
        self._owner = owner
        self._model = model
        self._reporter = reporter
        self._stateful = {
            f"{index}-{type(callback).__name__}": callback
            for index, callback in enumerate(callbacks)
            if isinstance(callback, Stateful)
        }
        self._states: Mapping[str, State] = {}
        self._fit_before = 0.0
        self._fit_started: float | None = None
        self.ended = False
        self.build_seconds = build_seconds

    def resume(self, on_epoch: OnEpoch) -> None:
        """Restore the newest usable checkpoint, and report its epochs to `on_epoch` again, from the first.

        A caller that has already recorded these epochs skips them; any other caller receives the same epochs as without
        the interruption. If `on_epoch` stops the trial at an epoch before the checkpoint's, the checkpoint is not used,
        because the result must have the weights of the earlier epoch.
        """
        for checkpoint in self._usable():
            stop = next((metrics.epoch for metrics in checkpoint.epochs if on_epoch(metrics)), None)
            if stop is None or stop == checkpoint.epoch:
                self._restore(checkpoint)
                self._reporter.stopped = stop is not None
                return

    def _usable(self) -> Iterator[Checkpoint]:
        if self._folder is None:
            return
        shapes = [tuple(variable.shape) for variable in state_variables(self._model)]
        for checkpoint in checkpoints(self._folder, self._owner):
            if [array.shape for array in checkpoint.variables] == shapes:
                yield checkpoint
            else:
                _log.warning("the checkpoint of epoch %d is not used: it is of another model", checkpoint.epoch)

    def _restore(self, checkpoint: Checkpoint) -> None:
        for variable, array in zip(state_variables(self._model), checkpoint.variables, strict=True):
            variable.assign(array)
        best = checkpoint.best_weights
        self._reporter.restore(checkpoint.epochs, self._model.get_weights() if best is None else list(best))
        self._states = checkpoint.callbacks
        self._fit_before = checkpoint.fit_seconds
        self.build_seconds += checkpoint.build_seconds
        self.ended = checkpoint.ended
        _log.info("resumes after epoch %d", checkpoint.epoch)

    def restore_states(self) -> None:
        """Restore the states of the callbacks; see `callbacks.StateRestorer`."""
        for name, state in self._states.items():
            self._stateful[name].set_state(state)

    @property
    def fit_seconds(self) -> float:
        """Time inside `fit` so far, including the time of earlier starts up to the restored checkpoint."""
        return self._fit_before + (time.perf_counter() - self._fit_started if self._fit_started is not None else 0.0)

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """Count the time of the body as time inside `fit`."""
        self._fit_started = time.perf_counter()
        yield
        self._fit_before, self._fit_started = self.fit_seconds, None

    def save(self, metrics: EpochMetrics) -> None:
        """Write the checkpoint of the epoch that has just ended, before the epoch is reported.

        Raises:
            OSError: the checkpoint cannot be written.
        """
        if self._folder is None:
            return
        best = self._reporter.best_weights
        checkpoint = Checkpoint(
            epochs=tuple(self._reporter.epochs),
            variables=tuple(np.asarray(variable) for variable in state_variables(self._model)),
            best_weights=None if best is None or self._reporter.best_epoch == metrics.epoch else tuple(best),
            callbacks={name: _plain(callback.get_state()) for name, callback in self._stateful.items()},
            ended=bool(self._model.stop_training),
            build_seconds=self.build_seconds,
            fit_seconds=self.fit_seconds,
        )
        write_checkpoint(self._folder, checkpoint, self._owner)


def _plain(state: dict[str, Any]) -> State:
    """Return the state with Python numbers instead of NumPy scalars, because JSON keeps them exactly."""
    return {key: value.item() if isinstance(value, np.generic) else value for key, value in state.items()}
