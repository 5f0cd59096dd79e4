"""The artifacts of runs: which groups of files a study and a trial have, and how they are written."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from sweep.analysis.validation_predictions import (
    ClassResult,
    Predictions,
    class_results,
    confusion,
    read_predictions,
    worst_mistakes,
)
from sweep.pictures.confusion_matrix import draw_confusion
from sweep.pictures.image_grids import draw_images
from sweep.pictures.learning_curves import draw_curves
from sweep.records.array_types import UInt8Array
from sweep.records.trial_record import RECORD_FILE, TrialRecord, record_to_json, trial_folder
from sweep.records.trial_result import PREDICTIONS_FILE, SUMMARY_FILE
from sweep.space.config import config_to_mapping
from sweep.tracking.run_entry import Files, MetricPoint, clean_key, ended_at, text_digest
from sweep.tracking.sample_pixels import SAMPLES, Samples, cached_images, read_samples
from sweep.tracking.tracker import REPORT_FILE, StudyInfo

CLASS_METRICS = 20
"""Up to so many classes each has a metric of its own; beyond that the charts would show nothing else."""
MISTAKES = 24

_Writer: TypeAlias = Callable[[Path], None]


def trial_files(record: TrialRecord, study_folder: Path) -> tuple[Files, ...]:
    """Record, resolved configuration, learning curves, and the model's summary where there is one."""
    # Which model files are kept changes as better trials come; it is the study's affair.
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
    """Metrics and pictures of what a trial's model says of the validation images; nothing where that is not known."""
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


def _mistakes_writer(record: TrialRecord, predictions: Predictions, images: UInt8Array) -> _Writer:
    names = record.data.classes
    mistakes = worst_mistakes(predictions, MISTAKES, logits=record.config.model.output == "logits")

    def write(folder: Path) -> None:
        (folder / "evaluation").mkdir()
        captions = [
            (f"is {names[m.label]}", f"said {names[m.predicted]}", f"{m.probability:.0%} sure") for m in mistakes
        ]
        title = f"{record.study}, trial {record.number:04d}: the mistakes that it was surest of"
        shown = [images[m.position] for m in mistakes]
        draw_images(shown, captions, 6, title, folder / "evaluation" / "mistakes.png")

    return write


def class_points(record: TrialRecord, results: list[ClassResult]) -> tuple[MetricPoint, ...]:
    """`class_accuracy/03 cat` for each class, unless there are many: its place keeps equal-looking names apart."""
    if len(results) > CLASS_METRICS:
        return ()
    return tuple(
        MetricPoint(_class_key(place, result.name), result.accuracy, ended_at(record) or 0, record.best_epoch or 0)
        for place, result in enumerate(results)
        if result.accuracy is not None
    )


def _class_key(place: int, name: str) -> str:
    # A slash or dots of the name would be taken for folders.
    return clean_key(f"class_accuracy/{place:02d} {name.replace('/', '_').replace('.', '_')}").rstrip()


def study_files(info: StudyInfo, *, ended: bool) -> tuple[Files, ...]:
    """The search space; once the study has ended also its report and samples, where there are any."""
    space = info.space
    groups = [Files("space", text_digest(space), lambda folder: _write_text(folder / "space.yaml", space))]
    if ended:
        groups += report_files(info)
        samples = read_samples(info.folder)
        if samples is not None:
            digest = _digest(_read(info.folder / SAMPLES))
            groups.append(Files("samples", digest, lambda folder: _draw_samples(samples, info.name, folder)))
    return tuple(groups)


def report_files(info: StudyInfo) -> tuple[Files, ...]:
    """The study's report; nothing where none has been written."""
    report = _read(info.folder / REPORT_FILE)
    if not report:
        return ()
    return (Files("report", _digest(report), lambda folder: _write_bytes(folder / REPORT_FILE, report)),)


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


def copy_file(source: Path, target: Path) -> None:
    """Copy the content alone: rights and times are the store's affair."""
    shutil.copyfile(source, target)


def _read(path: Path) -> bytes:
    """The content; empty where there is no such file."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:16]
