from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sweep.analysis.validation_predictions import ClassResult
from sweep.data.cache import Prepared, write_meta
from sweep.records.trial_record import TrialRecord, record_from_json
from sweep.tracking.run_files import (
    cached_images,
    class_points,
    evaluation_files,
    read_samples,
    study_files,
    trial_files,
)
from sweep.tracking.tracker import StudyInfo

MakeRecord = Callable[..., TrialRecord]


def test_a_record_is_shown_without_its_model_file_which_may_be_removed_later(
    make_record: MakeRecord, tmp_path: Path
) -> None:
    record = make_record(7, "complete", epochs=2)
    (before,) = trial_files(dataclasses.replace(record, model_file="model.keras"), tmp_path)
    (after,) = trial_files(record, tmp_path)
    assert before.digest == after.digest
    after.write(tmp_path)
    assert record_from_json((tmp_path / "trial.json").read_text(), "") == record


def test_a_summary_that_is_added_later_changes_the_digest(make_record: MakeRecord, tmp_path: Path) -> None:
    record = make_record(7, "complete", epochs=2)
    (before,) = trial_files(record, tmp_path)
    (tmp_path / "trials/0007").mkdir(parents=True)
    (tmp_path / "trials/0007/summary.txt").write_text("Model: vgg")
    (after,) = trial_files(record, tmp_path)
    assert before.digest != after.digest


def test_class_names_become_distinct_keys(make_record: MakeRecord) -> None:
    names = ["a/b", "a.b", "<b>", "日本", ".."]
    results = [ClassResult(name, 2, 1, 0.5, None) for name in names]
    points = class_points(make_record(0, "complete", epochs=4), results)
    assert [point.key for point in points] == [
        "class_accuracy/00 a_b",
        "class_accuracy/01 a_b",
        "class_accuracy/02 _b_",
        "class_accuracy/03 日本",
        "class_accuracy/04 __",
    ]
    assert {(point.value, point.step) for point in points} == {(0.5, 3)}
    assert class_points(make_record(), results * 5) == ()


def test_a_study_shows_report_and_samples_once_it_has_ended(info: StudyInfo, tmp_path: Path) -> None:
    info = dataclasses.replace(info, folder=tmp_path)
    (tmp_path / "report.html").write_text("<!doctype html>")
    (tmp_path / "samples").mkdir()
    images = np.zeros((3, 8, 8, 1), dtype=np.uint8)
    np.savez(
        tmp_path / "samples/samples.npz",
        images=images,
        names=np.array(["$a", "b", "c"]),
        strengths=np.array([0.0, 1.0]),
        augmented=np.stack([images[:2], images[:2]]),
    )
    assert [group.name for group in study_files(info, ended=False)] == ["space"]
    groups = study_files(info, ended=True)
    assert [group.name for group in groups] == ["space", "report", "samples"]
    target = tmp_path / "out"
    target.mkdir()
    for group in groups:
        group.write(target)
    written = sorted(path.relative_to(target).as_posix() for path in target.rglob("*.*"))
    assert written == ["report.html", "samples/augmented.png", "samples/images.png", "space.yaml"]


def test_damaged_samples_are_left_out(tmp_path: Path) -> None:
    assert read_samples(tmp_path) is None
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples/samples.npz").write_bytes(b"PK\x03\x04")
    assert read_samples(tmp_path) is None


def test_cached_images_are_found_by_their_digest(tmp_path: Path) -> None:
    assert cached_images(None, "d" * 64) is None
    assert cached_images(tmp_path / "cache", "d" * 64) is None
    folder = tmp_path / "cache" / "digits-1"
    folder.mkdir(parents=True)
    np.save(folder / "train_images.npy", np.full((2, 4, 4, 1), 9, dtype=np.uint8))
    for name in ("train_labels", "train_sums", "train_paths", "test_images", "test_labels"):
        np.save(folder / f"{name}.npy", np.zeros(1))
    write_meta(folder, Prepared(str(folder), "d" * 64, ("a", "b"), (4, 4, 1), 2, 1, "two"))
    (tmp_path / "cache" / "notes.txt").write_text("not a folder")
    found = cached_images(tmp_path / "cache", "d" * 64)
    assert found is not None
    assert found.shape == (2, 4, 4, 1)
    assert cached_images(tmp_path / "cache", "e" * 64) is None


def test_the_classes_of_an_evaluation_are_json(make_record: MakeRecord, info: StudyInfo, tmp_path: Path) -> None:
    record = make_record(0, "complete", epochs=4)
    assert evaluation_files(record, dataclasses.replace(info, folder=tmp_path)) == ((), ())
    folder = tmp_path / "trials/0000"
    folder.mkdir(parents=True)
    outputs = np.array([[1.0, 0.0], [1.0, 0.0]])
    np.savez(folder / "validation.npz", outputs=outputs, labels=np.array([0, 1]), positions=np.array([0, 1]))
    points, groups = evaluation_files(record, dataclasses.replace(info, folder=tmp_path))
    assert [point.value for point in points] == [1.0, 0.0]
    assert [group.name for group in groups] == ["evaluation"]
    groups[0].write(tmp_path)
    assert json.loads((tmp_path / "evaluation/classes.json").read_text()) == {
        "classes": [
            {"name": "cat", "images": 1, "correct": 1, "accuracy": 1.0, "confused": None},
            {"name": "dog", "images": 1, "correct": 0, "accuracy": 0.0, "confused": "cat"},
        ],
        "confusion": [[1, 0], [1, 0]],
    }
