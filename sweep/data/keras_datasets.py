"""`python -m sweep.data.keras_datasets NAME OUT.npz`: write one of keras.datasets as arrays, in a separate process.

This is the only module of this room that imports Keras. A separate process saves the calling process from loading
TensorFlow (8 s, memory, a GPU context), after which forking is not safe.
"""

from __future__ import annotations

import socket
import sys

import keras
import numpy as np

SETS = {
    "cifar10": keras.datasets.cifar10,
    "cifar100": keras.datasets.cifar100,
    "fashion_mnist": keras.datasets.fashion_mnist,
    "mnist": keras.datasets.mnist,
}
STALLED_SECONDS = 60.0


def save(name: str, out: str) -> None:
    """Write x_train, y_train, x_test, y_test (uint8, as Keras returns them) to `out`; the first use downloads them."""
    socket.setdefaulttimeout(STALLED_SECONDS)  # Keras sets no timeout: a stalled download would hang forever
    keras.config.set_image_data_format("channels_last")  # a user's keras.json may differ
    (x_train, y_train), (x_test, y_test) = SETS[name].load_data()
    np.savez(out, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


if __name__ == "__main__":
    save(*sys.argv[1:])
