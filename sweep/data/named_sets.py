"""The named sets: `digits` from scikit-learn, the others from keras.datasets."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from sweep.data.arrays import contents_of_arrays
from sweep.data.contents import Contents, Source
from sweep.data.keras_cache import keras_cache_dir
from sweep.errors import DataError
from sweep.records.array_types import IntArray, UInt8Array
from sweep.space.config import DataConfig

TEN_DIGITS = tuple("0123456789")

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_CIFAR100_NAMES = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly "
    "camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup "
    "dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower "
    "leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid "
    "otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray "
    "road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar "
    "sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle "
    "wardrobe whale willow_tree wolf woman worm"
)
CIFAR100_CLASSES = tuple(_CIFAR100_NAMES.split())

FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


@dataclass(frozen=True)
class KerasSet:
    """A data set of keras.datasets.

    Attributes:
        files: the files that Keras expects in `datasets/` below its folder, each with its download address.
        hint: how to save these files there by hand.
    """

    classes: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    hint: str


_CIFAR = "https://www.cs.toronto.edu/~kriz/"
_GOOGLE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_ARCHIVE_HINT = "the .tar.gz file under its new name without a suffix, not unpacked; sha256 "
_IDX_FILES = (
    *("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    *("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
)

# File names and checksums from keras.datasets of Keras 3; Keras replaces a file whose checksum differs.
KERAS_SETS = {
    "cifar10": KerasSet(
        CIFAR10_CLASSES,
        (("cifar-10-batches-py-target_archive", f"{_CIFAR}cifar-10-python.tar.gz"),),
        f"{_ARCHIVE_HINT}6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    ),
    "cifar100": KerasSet(
        CIFAR100_CLASSES,
        (("cifar-100-python-target_archive", f"{_CIFAR}cifar-100-python.tar.gz"),),
        f"{_ARCHIVE_HINT}85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    ),
    "mnist": KerasSet(
        TEN_DIGITS,
        (("mnist.npz", f"{_GOOGLE}mnist.npz"),),
        "sha256 731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
    ),
    "fashion_mnist": KerasSet(
        FASHION_CLASSES,
        tuple((f"fashion-mnist/{file}", f"{_GOOGLE}{file}") for file in _IDX_FILES),
        "gzipped IDX files, not unpacked",
    ),
}

NAMED_SETS = ("digits", *sorted(KERAS_SETS))


def named_source(config: DataConfig) -> Source:
    """Return the source of a name in `NAMED_SETS`. The fingerprint is the name, because these sets do not change."""
    if config.name == "digits":
        return Source(
            "named set digits", "digits", False, lambda: contents_of_arrays(config, TEN_DIGITS, digits_images(), None)
        )
    return Source(f"named set {config.name}", config.name, True, partial(_open_keras_set, config))


def digits_images() -> tuple[UInt8Array, IntArray]:
    """All 1,797 digits, uint8 (n, 8, 8), scaled from 0..16 to 0..255, with labels int64 (n,)."""
    digits = load_digits()
    return np.rint(digits.images * (255 / 16)).astype(np.uint8), digits.target.astype(np.int64)


def download_failed(name: str, reason: str, home: Path) -> DataError:
    """The error that lists the files to download by hand and their places."""
    keras_set = KERAS_SETS[name]
    places = "\n".join(f"  {url}\n    as {home / 'datasets' / file}" for file, url in keras_set.files)
    return DataError(
        f"data `{name}`: keras.datasets could not load it: {reason}\n"
        f"On a machine without network, copy these files there before the first run ({keras_set.hint}):\n{places}\n"
        "or use a directory of class folders or an .npz file instead; `--data digits` needs no network."
    )


def _open_keras_set(config: DataConfig) -> Contents:
    with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
        out = Path(folder) / "set.npz"
        # -P: do not import modules from the user's working directory.
        command = [sys.executable, "-P", "-m", "sweep.data.keras_datasets", config.name, str(out)]
        done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            reason = lines[-1] if lines else f"the process ended with exit code {done.returncode} and no message"
            raise download_failed(config.name, reason, keras_cache_dir())
        with np.load(out, allow_pickle=False) as arrays:
            train, test = ((arrays[f"x_{part}"], arrays[f"y_{part}"].reshape(-1)) for part in ("train", "test"))
    return contents_of_arrays(config, KERAS_SETS[config.name].classes, train, test)


def _environment() -> dict[str, str]:
    above_sweep = str(Path(__file__).parents[2])
    python_path = os.pathsep.join(filter(None, (above_sweep, os.environ.get("PYTHONPATH"))))
    silent = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "PYTHONWARNINGS": "ignore"}
    return {**os.environ, **silent, "PYTHONPATH": python_path}
