"""Small image folders and archives, created by fixtures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Draw = Callable[..., Path]


def _draw(path: Path, shade: int = 100, size: tuple[int, int] = (6, 6), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, shade if mode == "L" else (shade, 0, 255 - shade)).save(path)
    return path


@pytest.fixture
def draw() -> Draw:
    """`draw(path, shade, (width, height), mode)` writes an image of one colour."""
    return _draw


@pytest.fixture
def flat_folder(tmp_path: Path) -> Path:
    """Two classes of ten images of 6 x 6 each, no test set."""
    root = tmp_path / "pets"
    for label, name in enumerate(("cat", "dog")):
        for number in range(10):
            _draw(root / name / f"{number}.png", 100 * label + number)
    return root


@pytest.fixture
def parted_folder(tmp_path: Path) -> Path:
    """train/ with two classes of four images, test/ with two of one."""
    root = tmp_path / "parted"
    for part, count, first in (("train", 4, 0), ("test", 1, 200)):
        for label, name in enumerate(("cat", "dog")):
            for number in range(count):
                _draw(root / part / name / f"{number}.png", first + 10 * label + number)
    return root


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def write_npz(tmp_path: Path) -> Callable[..., Path]:
    """`write_npz(x=..., y=...)` writes an archive and returns its path."""

    def write(**arrays: Any) -> Path:
        path = tmp_path / "images.npz"
        np.savez(path, **arrays)
        return path

    return write
