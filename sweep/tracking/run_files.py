"""The artifacts of runs: which groups of files a study and a trial have, and how they are written."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sweep.analysis.validation_predictions import (
    ClassResult,
    Predictions,
    class_results,
    confusion,
    read_predictions,
    worst_mistakes,
)
from sweep.data.cache import TRAIN_IMAGES, read_prepared
from sweep.pictures.evaluation_pictures import draw_confusion
from sweep.pictures.image_grids import draw_images
from sweep.pictures.learning_curves import draw_curves
from sweep.records.array_types import UInt8Array
from sweep.records.trial_record import RECORD_FILE, TrialRecord, record_to_json, trial_folder
from sweep.records.trial_result import PREDICTIONS_FILE, SUMMARY_FILE
from sweep.space.config import config_to_mapping
from sweep.tracking.run_entry import Files, MetricPoint, clean_key, ended_at
from sweep.tracking.tracker import REPORT_FILE, StudyInfo

CLASS_METRICS = 20
"""Maximum number of classes for which a metric per class is logged; more would hide the charts of other metrics."""
MISTAKES = 24
SAMPLES = Path("samples") / "samples.npz"
"""Path of the samples in a study's folder; written by `sweep.training.sample_images`."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Some training images, and augmented versions of the first m of them.

    Attributes:
        images: uint8 (n, h, w, c).
        names: class names of the images, (n,).
        strengths: strengths of the augmentation.
        augmented: the first m images, augmented, uint8 (strengths, m, h, w, c).
    """

    images: UInt8Array
    names: tuple[str, ...]
    strengths: tuple[float, ...]
    augmented: UInt8Array


def read_samples(study_folder: Path) -> Samples | None:
    """Return the study's samples; None if there are none."""
    try:
        with np.load(study_folder / SAMPLES, allow_pickle=False) as stored:
            names, strengths = stored["names"].tolist(), stored["strengths"].tolist()
            return Samples(stored["images"], tuple(names), tuple(strengths), stored["augmented"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def cached_images(cache: Path | None, digest: str) -> UInt8Array | None:
    """Return the prepared training set with this digest, uint8 (n, h, w, c), memory-mapped; None if it is missing."""
    if cache is None or not cache.is_dir():
        return None
    for folder in sorted(cache.iterdir()):
        prepared = read_prepared(folder)
        if prepared is not None and prepared.digest == digest:
            try:
                images: UInt8Array = np.load(folder / TRAIN_IMAGES, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError):
                return None
            return images
    return None


def trial_files(record: TrialRecord, study_folder: Path) -> tuple[Files, ...]:
    """Return a trial's record, resolved configuration, learning curves, and the model's summary if there is one."""
    # `model_file` is left out: when the study removes the model, the files would change and be written again.
    text = record_to_json(dataclasses.replace(record, model_file=None))
    summary = _read(trial_folder(study_folder, record.number) / SUMMARY_FILE)

    def write(folder: Path) -> None:
        (folder / RECORD_FILE).write_text(text, encoding="utf-8")
        config = json.dumps(config_to_mapping(record.config), indent=2)
        (folder / "config.json").write_text(config + "\n", encoding="utf-8")
        if summary:
            (folder / SUMMARY_FILE).write_bytes(summary)
        if record.epochs:
            draw_curves(record, folder / "curves.png")

    return (Files("record", _digest(text.encode(), summary), write),)


def evaluation_files(record: TrialRecord, info: StudyInfo) -> tuple[tuple[MetricPoint, ...], tuple[Files, ...]]:
    """Return metrics and pictures of a model's predictions for the validation images; empty without predictions."""
    names = record.data.classes
    path = trial_folder(info.folder, record.number) / PREDICTIONS_FILE
    predictions = read_predictions(path, len(names))
    if predictions is None:
        return (), ()
    counts = confusion(predictions, len(names))
    results = class_results(counts, names)
    title = f"{record.study}, trial {record.number:04d}: {len(predictions.labels):,} validation images"

    def write(folder: Path) -> None:
        inside = folder / "evaluation"
        inside.mkdir()
        table = {"classes": [result._asdict() for result in results], "confusion": counts.tolist()}
        (inside / "classes.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
        draw_confusion(counts, names, title, inside / "confusion.png")

    digest = _digest(path.read_bytes())
    groups = [Files("evaluation", digest, write)]
    images = cached_images(info.cache, record.data.digest)
    if images is not None and predictions.positions.max() < len(images):
        groups.append(Files("mistakes", digest, _mistakes_writer(record, predictions, images)))
    return class_points(record, results), tuple(groups)


def _mistakes_writer(record: TrialRecord, predictions: Predictions, images: UInt8Array) -> Callable[[Path], None]:
    names = record.data.classes
    mistakes = worst_mistakes(predictions, MISTAKES, logits=record.config.model.output == "logits")

    def write(folder: Path) -> None:
        (folder / "evaluation").mkdir()
        captions = [
            (f"true: {names[m.label]}", f"pred: {names[m.predicted]}", f"{m.probability:.0%} confident")
            for m in mistakes
        ]
        title = f"{record.study}, trial {record.number:04d}: the most confident mistakes"
        shown = [images[m.position] for m in mistakes]
        draw_images(shown, captions, 6, title, folder / "evaluation" / "mistakes.png")

    return write


def class_points(record: TrialRecord, results: list[ClassResult]) -> tuple[MetricPoint, ...]:
    """Return `class_accuracy/03 cat` for each class, unless there are many; the number keeps similar names distinct."""
    if len(results) > CLASS_METRICS:
        return ()
    points = []
    for index, result in enumerate(results):
        if result.accuracy is not None:
            name = result.name.replace("/", "_").replace(".", "_")  # MLflow would read `/` and `.` as folders
            key = clean_key(f"class_accuracy/{index:02d} {name}").rstrip()
            points.append(MetricPoint(key, result.accuracy, ended_at(record) or 0, record.best_epoch or 0))
    return tuple(points)


def study_files(info: StudyInfo, *, ended: bool) -> tuple[Files, ...]:
    """Return the search space and, once the study has ended, its report and samples if there are any."""
    space = info.space.encode()
    digest = hashlib.sha256(space).hexdigest()[:16]  # `_digest` would not match the tags of older runs
    groups = [Files("space", digest, lambda folder: (folder / "space.yaml").write_bytes(space))]
    if ended:
        groups += report_files(info)
        samples = read_samples(info.folder)
        if samples is not None:
            digest = _digest(_read(info.folder / SAMPLES))
            groups.append(Files("samples", digest, lambda folder: _draw_samples(samples, info.name, folder)))
    return tuple(groups)


def report_files(info: StudyInfo) -> tuple[Files, ...]:
    """Return the study's report; empty if no report has been written."""
    report = _read(info.folder / REPORT_FILE)
    if not report:
        return ()
    return (Files("report", _digest(report), lambda folder: (folder / REPORT_FILE).write_bytes(report)),)


def _draw_samples(samples: Samples, study: str, folder: Path) -> None:
    inside = folder / "samples"
    inside.mkdir()
    captions = [(name,) for name in samples.names]
    draw_images(list(samples.images), captions, 8, f"{study}: training images", inside / "images.png")
    count = samples.augmented.shape[1]
    draw_images(
        [image for row in samples.augmented for image in row],
        [(name, f"strength {s:g}") for s in samples.strengths for name in samples.names[:count]],
        count,
        f"{study}: the same images at augmentation strength {', '.join(f'{s:g}' for s in samples.strengths)}",
        inside / "augmented.png",
    )


def _read(path: Path) -> bytes:
    """Return the content of a file; empty if there is no such file."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:16]
