"""Equal seeds give equal bits: settings of threads, random generators and data order, and a digest of the weights.

Everything random in epoch n depends only on (seed, n), so that a trial can resume after any epoch as if it had never
stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from sweep.records.seeds import Purpose, derive


def use_threads(threads: int) -> None:
    """Set TensorFlow's number of threads. The bits of its results depend on this number.

    Raises:
        RuntimeError: TensorFlow has already started with another number in this process.
    """
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    if tf.config.threading.get_inter_op_parallelism_threads() != threads:
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    if tf.config.list_physical_devices("GPU"):
        # Not on a CPU, where the same number of threads gives the same bits anyway and this setting costs speed.
        tf.config.experimental.enable_op_determinism()


def seed_generators(model: keras.Model, seed: int, epoch: int) -> None:
    """Set every random generator of the model (dropout, augmentation) from (seed, epoch).

    Args:
        model: the model, built.
        seed: the trial's seed.
        epoch: number of the epoch, counted from 1.
    """
    states = [variable for variable in model.variables if is_generator_state(variable)]
    for index, state in enumerate(states):
        state.assign(np.array([derive(seed, Purpose.GENERATORS, epoch, index), 0], dtype=np.uint32))


def is_generator_state(variable: Any) -> bool:
    """True if a model's variable is the state of a keras.random.SeedGenerator."""
    return bool(variable.path.split("/")[-1] == "seed_generator_state")


def epoch_order(count: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Return the order of `count` training images in an epoch: int64 (count,)."""
    return np.random.default_rng(np.random.SeedSequence((seed, Purpose.ORDER, epoch))).permutation(count)


def digest(arrays: Iterable[npt.NDArray[Any]]) -> str:
    """Return the SHA-256 of the types, shapes and bytes of the arrays, in order."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def state_variables(model: keras.Model) -> list[Any]:
    """Return the model's variables without generator states, then those of its optimizer, if it has one."""
    own = [variable for variable in model.variables if not is_generator_state(variable)]
    optimizer = getattr(model, "optimizer", None)
    return [*own, *(optimizer.variables if optimizer else [])]


def weights_digest(model: keras.Model) -> str:
    """Return the digest of `state_variables`."""
    return digest(np.asarray(variable) for variable in state_variables(model))
