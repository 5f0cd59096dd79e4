from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from sweep.data.named_sets import CIFAR100_CLASSES, KERAS_SETS, NAMED_SETS, digits_images, download_failed, named_source
from sweep.data.sources import find_source
from sweep.errors import DataError
from sweep.space.config import DataConfig

NOWHERE = "http://127.0.0.1:9"


def test_the_digits_are_1797_images_of_8_by_8() -> None:
    images, labels = digits_images()
    assert images.shape == (1797, 8, 8)
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert images[0, 0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]


def test_the_digits_have_these_pixels() -> None:
    images, labels = digits_images()
    digest = hashlib.sha256(images.tobytes() + labels.astype("<i8").tobytes()).hexdigest()
    assert digest == "0b7e9c3202d7bcd255d6a19a238d3743bf5e320ba74812a6679958a017c55382"


def test_the_digits_are_resized_and_coloured_as_asked() -> None:
    assert find_source(DataConfig(name="digits", image_size=16, channels="rgb")).open().shape == (16, 16, 3)


def test_every_set_names_its_classes() -> None:
    assert {name: len(keras_set.classes) for name, keras_set in KERAS_SETS.items()} == {
        "cifar10": 10,
        "cifar100": 100,
        "mnist": 10,
        "fashion_mnist": 10,
    }
    assert list(CIFAR100_CLASSES) == sorted(set(CIFAR100_CLASSES))


def test_nothing_is_downloaded_before_a_set_is_opened() -> None:
    assert NAMED_SETS == ("digits", "cifar10", "cifar100", "fashion_mnist", "mnist")
    assert [named_source(DataConfig(name=name)).has_test for name in NAMED_SETS] == [False, True, True, True, True]


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("cifar10", ["cifar-10-batches-py-target_archive"]),
        ("cifar100", ["cifar-100-python-target_archive"]),
        ("mnist", ["mnist.npz"]),
        ("fashion_mnist", ["fashion-mnist/train-images-idx3-ubyte.gz", "fashion-mnist/t10k-labels-idx1-ubyte.gz"]),
    ],
)
def test_a_failed_download_says_which_file_belongs_where(name: str, files: list[str]) -> None:
    message = str(download_failed(name, "no network", Path("/home/ann/.keras")))
    assert message.startswith(f"data `{name}`: keras.datasets could not load it: no network\n")
    for file in files:
        assert f"    as /home/ann/.keras/datasets/{file}\n" in message
    assert message.endswith("a directory of class folders or an .npz file instead; `--data digits` needs no network.")


@pytest.mark.slow
def test_without_network_the_error_names_the_address_and_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for variable in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(variable, NOWHERE)
    with pytest.raises(DataError) as caught:
        named_source(DataConfig(name="cifar10")).open()
    message = str(caught.value)
    assert "URL fetch failure on https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz" in message
    assert f"as {tmp_path}/datasets/cifar-10-batches-py-target_archive" in message


def write_idx(path: Path, header: bytes, content: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wb") as file:
        file.write(header + content.tobytes())


@pytest.mark.slow
def test_files_in_place_are_read_by_keras_in_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras does not verify a checksum for this set, so small files can replace the real ones."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for part, count in (("train", 20), ("t10k", 10)):
        place = tmp_path / "datasets" / "fashion-mnist"
        images = np.repeat(np.arange(count, dtype=np.uint8), 28 * 28)
        write_idx(place / f"{part}-images-idx3-ubyte.gz", bytes(16), images)
        write_idx(place / f"{part}-labels-idx1-ubyte.gz", bytes(8), np.arange(count, dtype=np.uint8) % 10)
    contents = named_source(DataConfig(name="fashion_mnist")).open()
    assert contents.shape == (28, 28, 1)
    assert contents.classes[9] == "Ankle boot"
    assert contents.train.labels.tolist() == [*range(10), *range(10)]
    assert contents.test is not None
    assert len(contents.test.labels) == 10
    out = np.zeros((2, 28, 28, 1), dtype=np.uint8)
    contents.train.read(np.array([3, 17]), out, lambda _count: None)
    assert out[:, 27, 27, 0].tolist() == [3, 17]
