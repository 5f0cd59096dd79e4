"""How many threads TensorFlow computes with."""

from __future__ import annotations

import tensorflow as tf


def use_threads(threads: int) -> None:
    """Let TensorFlow compute with so many threads; the count decides the bits of the result.

    Raises:
        RuntimeError: TensorFlow has already started with another count in this process.
    """
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    if tf.config.threading.get_inter_op_parallelism_threads() != threads:
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    if tf.config.list_physical_devices("GPU"):
        # On a CPU the same thread count gives the same bits without it; it would cost speed there.
        tf.config.experimental.enable_op_determinism()
