"""The learning curves of a trial, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sweep.pictures.png_figure import new_figure, save_figure
from sweep.records.trial_record import TrialRecord
from sweep.records.trial_result import EpochMetrics

_TRAIN, _VALIDATION, _MARK = "#7a7a7a", "#1f5fa8", "#c8501e"
_PLACES = {"left": 0.07, "right": 0.98, "top": 0.91, "bottom": 0.23, "wspace": 0.18}


def rate_drops(epochs: Sequence[EpochMetrics]) -> list[tuple[int, float]]:
    """Return the number and learning rate of each epoch whose rate is lower than that of the epoch before it."""
    return [(b.epoch, b.learning_rate) for a, b in pairwise(epochs) if b.learning_rate < a.learning_rate]


def draw_curves(record: TrialRecord, path: Path) -> None:
    """Draw loss and accuracy by epoch, for training and validation, with learning-rate drops and the best epoch.

    Raises:
        ValueError: the trial has no epoch.
    """
    if not record.epochs:
        raise ValueError(f"trial {record.number} has no epoch to draw")
    figure = new_figure(9.0, 3.9)
    # Fixed positions: matplotlib's automatic layout and legend placement take longer than everything else.
    left, right = figure.subplots(1, 2, gridspec_kw=_PLACES)
    _draw_metric(left, record, "loss")
    _draw_metric(right, record, "accuracy")
    figure.suptitle(_title(record), fontsize=10)
    figure.legend(*left.get_legend_handles_labels(), loc="lower center", ncols=4, fontsize=8, frameon=False)
    save_figure(figure, path)


def _title(record: TrialRecord) -> str:
    best = "" if record.objective_value is None else f", {record.config.objective} {record.objective_value:.4f}"
    return f"{record.study}, trial {record.number:04d}: {record.state}{best}"


def _draw_metric(axes: Axes, record: TrialRecord, name: str) -> None:
    epochs = [metrics.epoch for metrics in record.epochs]
    marker = "o" if len(epochs) == 1 else ""
    for key, label, color in ((name, "train", _TRAIN), (f"val_{name}", "validation", _VALIDATION)):
        axes.plot(epochs, [getattr(m, key) for m in record.epochs], marker=marker, color=color, label=label)
    # Loss falls and accuracy rises, so the curves rarely cover these labels.
    _mark_rates(axes, record.epochs, "top" if name == "loss" else "bottom")
    _mark_best(axes, record, f"val_{name}")
    axes.set(xlabel="epoch", ylabel=name)
    axes.set_xlim(0.5, epochs[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.25)


def _mark_rates(axes: Axes, epochs: Sequence[EpochMetrics], edge: Literal["top", "bottom"]) -> None:
    for index, (epoch, rate) in enumerate(rate_drops(epochs)):
        # Between the last epoch of the old rate and the first epoch of the new rate.
        place = epoch - 0.5
        axes.axvline(place, color=_MARK, linestyle=":", linewidth=1, label="" if index else "learning rate drops")
        height, transform = 0.98 if edge == "top" else 0.02, axes.get_xaxis_transform()
        axes.text(
            place, height, f"{rate:.3g}", transform=transform, rotation=90, fontsize=7, color=_MARK, ha="right", va=edge
        )


def _mark_best(axes: Axes, record: TrialRecord, key: str) -> None:
    best = next((metrics for metrics in record.epochs if metrics.epoch == record.best_epoch), None)
    if best is not None:
        label = f"best epoch ({best.epoch})"
        axes.plot([best.epoch], [getattr(best, key)], "*", markersize=12, color=_VALIDATION, label=label)
