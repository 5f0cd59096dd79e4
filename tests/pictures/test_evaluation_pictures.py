from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from sweep.pictures.evaluation_pictures import draw_all, draw_worst_errors, overlay
from sweep.records.model_evaluation import WorstErrors
from tests.finalization.test_judge_answers import final_result


def errors(heat: bool) -> WorstErrors:
    """Two wrong predictions for grey images."""
    maps = np.zeros((2, 4, 4), dtype=np.float32)
    maps[:, 0, 0] = 1
    images = np.full((2, 8, 8, 1), 128, dtype=np.uint8)
    return WorstErrors(images, np.array([0, 1]), np.array([1, 0]), np.array([0.9, 0.8]), maps if heat else None)


NUMBERS = np.empty(0, dtype=np.int64)
NO_ERRORS = WorstErrors(np.empty((0, 8, 8, 1), dtype=np.uint8), NUMBERS, NUMBERS, np.empty(0), None)


def test_an_overlay_is_red_where_the_map_is_warm_and_blue_where_it_is_cold() -> None:
    shown = overlay(np.zeros((8, 4, 1), dtype=np.uint8), errors(heat=True).heat[0])  # type: ignore[index]

    assert shown.shape == (96, 48, 3)
    assert shown[0, 0].argmax() == 0
    assert shown[-1, -1].argmax() == 2
    large = overlay(np.zeros((200, 120, 3), dtype=np.uint8), np.zeros((4, 4), dtype=np.float32))
    assert large.shape == (200, 120, 3)


def test_all_pictures_are_drawn_and_errors_only_if_there_are_any(tmp_path: Path) -> None:
    draw_all(tmp_path / "all", final_result())
    draw_all(tmp_path / "few", dataclasses.replace(final_result(), rounds=0))
    draw_worst_errors(tmp_path / "pairs.png", final_result(), errors(heat=True))
    draw_worst_errors(tmp_path / "single.png", final_result(), errors(heat=False))
    draw_worst_errors(tmp_path / "none.png", final_result(), NO_ERRORS)

    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == [
        "confusion.png",
        "finalists.png",
        "reliability.png",
    ]
    assert sorted(path.name for path in (tmp_path / "few").iterdir()) == ["confusion.png", "reliability.png"]
    assert not (tmp_path / "none.png").exists()
    with Image.open(tmp_path / "pairs.png") as pairs, Image.open(tmp_path / "single.png") as single:
        assert pairs.width > single.width  # each error has an overlay next to it
