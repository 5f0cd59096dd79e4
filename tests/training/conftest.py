from __future__ import annotations

from pathlib import Path

import pytest

from sweep.data.dataset import Dataset
from sweep.data.loading import load
from sweep.data.preparation import prepare
from sweep.space.config import DataConfig
from sweep.training.tf_determinism import use_threads

use_threads(1)  # before anything runs: TensorFlow takes the count only once per process

DIGITS = DataConfig(name="digits", limit=300, validation=0.2)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """240 training and 60 validation images of 8 x 8."""
    cache: Path = tmp_path_factory.mktemp("cache")
    return load(prepare(DIGITS, cache), DIGITS)
