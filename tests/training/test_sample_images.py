"""Sample images as training sees them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sweep.data.preparation import prepare
from sweep.space.config import AugmentationConfig, DataConfig
from sweep.tracking.run_files import read_samples
from sweep.training.sample_images import augment, choose_samples, write_samples

pytestmark = pytest.mark.slow
DIGITS = DataConfig(name="digits", limit=300, validation=0.2)
LARGEST = AugmentationConfig(strength=1.0, flip="horizontal", shift=0.1, rotation=15.0, zoom=0.2)


def test_samples_take_the_classes_in_turn() -> None:
    labels = np.array([2, 0, 0, 1, 2, 0])
    assert choose_samples(labels, 5).tolist() == [1, 3, 0, 2, 4]
    assert choose_samples(labels, 99).tolist() == [1, 3, 0, 2, 4, 5]


def test_strength_0_shows_the_image_itself_and_more_changes_it() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    np.testing.assert_array_equal(augment(images, AugmentationConfig(strength=0.0, shift=0.5)), images)
    changed = augment(images, LARGEST)
    assert changed.shape == (3, 8, 8, 1)
    assert (changed != images).any()
    np.testing.assert_array_equal(augment(images, LARGEST), changed)


def test_a_study_gets_a_file_of_samples_once(tmp_path: Path) -> None:
    prepared = prepare(DIGITS, tmp_path / "cache")
    folder = tmp_path / "studies/demo/samples"
    folder.parent.mkdir(parents=True)
    write_samples(prepared, DIGITS, LARGEST, folder)
    found = read_samples(tmp_path / "studies/demo")
    assert found is not None
    assert found.images.shape == (24, 8, 8, 1)
    assert found.names[:12] == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "1")
    assert found.strengths == (0.0, 0.5, 1.0)
    assert found.augmented.shape == (3, 8, 8, 8, 1)
    np.testing.assert_array_equal(found.augmented[0], found.images[:8])
    before = (folder / "samples.npz").stat().st_mtime_ns
    write_samples(prepared, DIGITS, LARGEST, folder)
    assert (folder / "samples.npz").stat().st_mtime_ns == before
    assert [path.name for path in folder.iterdir()] == ["samples.npz"]
