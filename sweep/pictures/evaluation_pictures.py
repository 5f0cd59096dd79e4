"""Pictures of a model's results as PNG: confusion matrix, finalists, reliability diagram, worst errors.

scikit-learn's displays are not used: they import pyplot. ConfusionMatrixDisplay colours a cell by its count; this
module colours it by the count's share of the row, so that rare classes stay visible. CalibrationDisplay is made for
binary classifiers and does not show the number of images in a bin.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from PIL import Image

from sweep.pictures.image_grids import draw_images
from sweep.pictures.png_figure import new_figure, one_line, save_figure
from sweep.records.array_types import UInt8Array
from sweep.records.final_result import FinalistResult, FinalResult, TestResult
from sweep.records.model_evaluation import WorstErrors

FINALISTS, CONFUSION, RELIABILITY, ERRORS = "finalists.png", "confusion.png", "reliability.png", "errors.png"
_DPI = 110
_COUNTED, _NAMED = 25, 60
"""Maximum numbers of classes: for a confusion matrix with counts, and for a confusion matrix with names."""
SIDE = 96
"""Minimum length of an overlay's longer side, in pixels."""
OPACITY = 0.45
"""Opacity of a heat map."""


def draw_all(folder: Path, result: FinalResult) -> None:
    """Draw all pictures of a final result except the errors; make the folder, but not its parent."""
    folder.mkdir(exist_ok=True)
    test, study = result.test, result.study
    title = f"{study}: {test.images:,} test images"
    if result.rounds:
        draw_boxes(result.finalists, result.winner, result.objective, study, folder / FINALISTS)
    confusion = np.array(test.confusion, dtype=np.int64)
    draw_confusion(confusion, [one.name for one in test.classes], title, folder / CONFUSION)
    draw_reliability(test, title, folder / RELIABILITY)


def draw_worst_errors(path: Path, result: FinalResult, errors: WorstErrors) -> None:
    """Draw each error as the image and, next to it, the image under its heat map; draw nothing if there is no error."""
    if not len(errors.labels):
        return
    names = [one.name for one in result.test.classes]
    images: list[UInt8Array] = []
    captions: list[tuple[str, ...]] = []
    for place, image in enumerate(errors.images):
        true = f"true: {names[int(errors.labels[place])]}"
        predicted = (f"pred: {names[int(errors.predicted[place])]}", f"{errors.confidence[place]:.1%} confident")
        images.append(image)
        if errors.heat is None:
            captions.append((true, *predicted))
        else:
            images.append(overlay(image, errors.heat[place]))
            captions += [(true,), predicted]
    title = f"{result.study}: the most confident errors of the final model"
    draw_images(images, captions, 6 if errors.heat is None else 8, title, path)


def draw_confusion(counts: npt.NDArray[np.int64], names: Sequence[str], title: str, path: Path) -> None:
    """Draw a confusion matrix: a row per true class, colours are shares of the row."""
    side = round(min(max(3.0 + 0.38 * len(names), 4.6), 13.0), 2)  # a whole number of pixels at 100 dpi
    figure = new_figure(side, side)
    axes = figure.add_axes((0.2, 0.17, 0.77, 0.75))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_title(one_line(title, 60), fontsize=9, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(names) <= _NAMED:
        short = [one_line(name, 14) for name in names]
        axes.set_xticks(range(len(names)), short, rotation=90, fontsize=8, parse_math=False)
        axes.set_yticks(range(len(names)), short, fontsize=8, parse_math=False)
    if len(names) <= _COUNTED:
        for row, column in zip(*np.nonzero(counts), strict=True):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=7, color=colour)
    save_figure(figure, path)


def draw_boxes(finalists: Sequence[FinalistResult], winner: int, objective: str, study: str, path: Path) -> None:
    """Draw a box per finalist over its rounds, a point per round, and a diamond for the score in the search."""
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
    axes.set_xlabel(f"{objective}; points: rounds, diamond: score in the search", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.set_title(one_line(f"{study}: the finalists trained again", 70), fontsize=9, parse_math=False)
    save_figure(figure, path)


def draw_reliability(test: TestResult, title: str, path: Path) -> None:
    """Draw accuracy by confidence and, in a second chart below, the number of images per bin."""
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


def overlay(image: UInt8Array, heat: npt.NDArray[np.float32]) -> UInt8Array:
    """Return the image under its heat map, uint8 (h, w, 3), enlarged if its longer side is below `SIDE`.

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
