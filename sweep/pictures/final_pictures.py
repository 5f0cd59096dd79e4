"""Pictures of the final result as PNG, for the page, the model card and MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from PIL import Image

from sweep.pictures.confusion_matrix import draw_confusion
from sweep.pictures.image_grids import draw_images, one_line
from sweep.pictures.png_figure import new_figure, save_figure
from sweep.records.array_types import UInt8Array
from sweep.records.final_answers import WorstErrors
from sweep.records.final_result import FinalistResult, FinalResult, TestResult

FINALISTS, CONFUSION, RELIABILITY, ERRORS = "finalists.png", "confusion.png", "reliability.png", "errors.png"
_DPI = 110
SIDE = 96
"""Pixels of an overlay, the size that it is drawn at."""
OPACITY = 0.45


def draw_all(folder: Path, result: FinalResult) -> None:
    """Write all pictures but that of the errors."""
    folder.mkdir(parents=True, exist_ok=True)
    test, study = result.test, result.study
    names = [one.name for one in test.classes]
    title = f"{study}: {test.images:,} test images"
    if result.rounds:
        draw_boxes(result.finalists, result.winner, result.objective, study, folder / FINALISTS)
    draw_confusion(np.array(test.confusion, dtype=np.int64), names, title, folder / CONFUSION)
    draw_reliability(test, title, folder / RELIABILITY)


def draw_worst_errors(path: Path, result: FinalResult, errors: WorstErrors) -> None:
    """Write the picture of the errors; none where there was none."""
    if len(errors.labels):
        names = [one.name for one in result.test.classes]
        draw_errors(errors, names, f"{result.study}: the errors that the final model was surest of", path)


def draw_boxes(finalists: Sequence[FinalistResult], winner: int, objective: str, study: str, path: Path) -> None:
    """A box per finalist over its rounds, with the rounds as points and the search's score as a diamond."""
    shown = [finalist for finalist in finalists if finalist.scores]
    height = 1.0 + 0.45 * len(shown)
    figure = new_figure(7.0, height, _DPI)
    axes = figure.add_axes((0.19, 0.6 / height, 0.77, 1 - 0.95 / height))
    names = [f"trial {f.trial}{' (winner)' if f.trial == winner else ' (dropped)' if f.dropped else ''}" for f in shown]
    axes.boxplot([f.scores for f in shown], orientation="horizontal", tick_labels=names, widths=0.5)
    for row, finalist in enumerate(shown, start=1):
        axes.plot(finalist.scores, [row] * len(finalist.scores), "o", color="#4285dc", markersize=4, alpha=0.7)
        axes.plot([finalist.search_score], [row], "D", color="#dd8a26", markersize=6)
    axes.invert_yaxis()
    axes.set_xlabel(f"{objective}; a point is a round, a diamond the score in the search", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.set_title(one_line(f"{study}: the finalists trained again", 70), fontsize=9, parse_math=False)
    save_figure(figure, path)


def draw_reliability(test: TestResult, title: str, path: Path) -> None:
    """Accuracy over confidence, and how many answers had it."""
    figure = new_figure(5.0, 5.4, _DPI)
    axes = figure.add_axes((0.13, 0.33, 0.83, 0.59))
    counts = figure.add_axes((0.13, 0.1, 0.83, 0.16), sharex=axes)
    filled = [b for b in test.bins if b.images]
    middles, width = [(b.low + b.high) / 2 for b in filled], 1 / len(test.bins)
    axes.bar(middles, [b.accuracy or 0.0 for b in filled], width, color="#4285dc", edgecolor="white", linewidth=0.8)
    axes.plot([0, 1], [0, 1], "--", color="#8b929c", linewidth=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_ylabel("accuracy", fontsize=8)
    axes.set_title(one_line(f"{title}, ECE {test.calibration_error:.4f}", 70), fontsize=9, parse_math=False)
    counts.bar(middles, [b.images for b in filled], width, color="#8b929c", edgecolor="white", linewidth=0.8)
    counts.set_ylabel("images", fontsize=8)
    counts.set_xlabel("confidence", fontsize=8)
    for each in (axes, counts):
        each.tick_params(labelsize=8)
    save_figure(figure, path)


def draw_errors(errors: WorstErrors, names: Sequence[str], title: str, path: Path) -> None:
    """Pairs of an image and the same image under its heat map."""
    images: list[UInt8Array] = []
    captions: list[tuple[str, ...]] = []
    for place, image in enumerate(errors.images):
        images.append(image)
        true = f"is {names[int(errors.labels[place])]}"
        said = (f"said {names[int(errors.predicted[place])]}", f"{errors.confidence[place]:.1%} sure")
        if errors.heat is None:
            captions.append((true, *said))
        else:
            images.append(overlay(image, errors.heat[place]))
            captions += [(true,), said]
    draw_images(images, captions, 6 if errors.heat is None else 8, title, path)


def overlay(image: UInt8Array, heat: npt.NDArray[np.float32]) -> UInt8Array:
    """The image with its heat map over it, uint8 (h, w, 3); the longer side has 96 pixels at least.

    Args:
        image: uint8 (h, w, 1 or 3).
        heat: float32 (h', w'), 0 to 1.
    """
    high, wide = image.shape[:2]
    scale = max(1.0, SIDE / max(high, wide))
    size = round(wide * scale), round(high * scale)
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).convert("RGB")
    enlarged = np.asarray(picture.resize(size, Image.Resampling.NEAREST), dtype=np.float64)
    warmth = np.asarray(Image.fromarray(heat).resize(size, Image.Resampling.BILINEAR))
    colours = colormaps["jet"](np.clip(warmth, 0, 1))[:, :, :3] * 255
    mixed: UInt8Array = np.rint((1 - OPACITY) * enlarged + OPACITY * colours).astype(np.uint8)
    return mixed
