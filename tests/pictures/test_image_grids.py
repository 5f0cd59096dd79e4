from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sweep.pictures.evaluation_pictures import draw_confusion
from sweep.pictures.image_grids import draw_images
from sweep.pictures.png_figure import one_line

GREY = np.full((8, 8, 1), 40, dtype=np.uint8)
RED = np.zeros((6, 12, 3), dtype=np.uint8) + np.array([200, 0, 0], dtype=np.uint8)


def test_images_are_in_rows_with_their_own_pixels(tmp_path: Path) -> None:
    path = tmp_path / "grid.png"
    draw_images([GREY, RED, GREY], [("cat",), ("$\\frac",), ("<b>dog</b>",)], 2, "three", path)
    with Image.open(path) as opened:
        picture = np.asarray(opened.convert("RGB"))
    assert picture.shape == (284, 228, 3)
    assert picture[30 + 40, 12 + 40].tolist() == [40, 40, 40]
    assert picture[30 + 20, 120 + 40].tolist() == [200, 0, 0]
    assert picture[30 + 60, 120 + 40].tolist() == [255, 255, 255]


def test_the_same_images_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw_images([GREY], [("cat",)], 1, "one", tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("classes", [2, 30, 100])
def test_a_confusion_matrix_is_drawn_for_few_and_for_many_classes(classes: int, tmp_path: Path) -> None:
    path = tmp_path / "confusion.png"
    names = ["$x_{", "a very long name of a class", "日本", *(f"class {n}" for n in range(97))][:classes]
    draw_confusion(np.eye(classes, dtype=np.int64) * 3, names, "demo", path)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert 460 <= picture.width <= 1300


def test_text_is_one_short_line() -> None:
    assert one_line("a\n b\x00c\u202e", 40) == "a b c"
    assert one_line("abcdefgh", 5) == "abcd…"
