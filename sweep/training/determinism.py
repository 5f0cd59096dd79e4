"""Same seed, same bits: random generators, data order, and a digest to compare by.

Everything random in epoch n is a function of (seed, n) alone, so that a trial can go on at any epoch as if it had never
stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from sweep.records.seeds import Purpose, derive


def seed_generators(model: keras.Model, seed: int, epoch: int) -> None:
    """Set every random generator of the model (dropout, augmentation) from (seed, epoch).

    Args:
        model: built.
        seed: of the trial.
        epoch: 1 for the first.
    """
    states = [variable for variable in model.variables if is_generator_state(variable)]
    for index, state in enumerate(states):
        state.assign(np.array([derive(seed, Purpose.GENERATORS, epoch, index), 0], dtype=np.uint32))


def is_generator_state(variable: Any) -> bool:
    """Whether a model's variable is the state of a keras.random.SeedGenerator."""
    return bool(variable.path.split("/")[-1] == "seed_generator_state")


def epoch_order(count: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """The order of `count` training images in an epoch: int64 (count,)."""
    return np.random.default_rng(np.random.SeedSequence((seed, Purpose.ORDER, epoch))).permutation(count)


def digest(arrays: Iterable[npt.NDArray[Any]]) -> str:
    """sha256 over shapes, types and bytes, in order."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def weights_digest(model: keras.Model) -> str:
    """Return the SHA-256 over the model's variables, then its optimizer's if it has one, without generator states."""
    own = [variable for variable in model.variables if not is_generator_state(variable)]
    optimizer = getattr(model, "optimizer", None)
    return digest(np.asarray(variable) for variable in [*own, *(optimizer.variables if optimizer else [])])
