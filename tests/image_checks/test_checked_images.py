from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.data.folder import list_folder
from sweep.data.loading import load
from sweep.data.preparation import prepare
from sweep.errors import DataError
from sweep.image_checks.checked_images import images_of_folder
from sweep.image_checks.folder_survey import Link, survey
from sweep.image_checks.image_report import ImageReport, check_images
from sweep.space.config import DataConfig
from tests.image_checks.conftest import picture


def silent(done: int, total: int) -> None:
    assert done <= total


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of eight patients with three images each; the pixel at the corner is the image's number."""
    root = tmp_path_factory.mktemp("patients")
    for label, name in enumerate(("ill", "well")):
        (root / name).mkdir()
        for number in range(24):
            image = picture(100 * label + number, 20)
            image.putpixel((0, 0), (100 * label + number, 0, 0))
            image.save(root / name / f"p{number // 3}_{number % 3}.png")
    return root


@pytest.mark.parametrize("settings", [{}, {"split_seed": 3}, {"group_by": r"^(p\d+)_"}, {"limit": 30}])
def test_images_are_in_the_same_parts_as_in_a_run(patients: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    config = DataConfig(name=str(patients), validation=0.25, test=0.25, **settings)
    prepared = prepare(config, tmp_path)
    dataset = load(prepared, config)
    sealed = np.load(Path(prepared.folder) / "test_images.npy")
    expected = {
        "train": set(dataset.train.all_images()[:, 0, 0, 0].tolist()),
        "validation": set(dataset.validation.all_images()[:, 0, 0, 0].tolist()),
        "test": set(sealed[:, 0, 0, 0].tolist()),
    }
    found: dict[str, set[int]] = {"train": set(), "validation": set(), "test": set(), "unused": set()}
    for image in images_of_folder(list_folder(patients), config, lambda _count: None).images:
        patient, number = image.name.split("/p")[1].removesuffix(".png").split("_")
        found[image.part].add(100 * image.label + 3 * int(patient) + int(number))
    unused = found.pop("unused")
    assert found == expected
    assert len(unused) == (48 - 30 - len(sealed) if "limit" in settings else 0)


def kinds(report: ImageReport) -> set[str]:
    return {finding.kind for finding in report.findings}


def test_groups_in_a_given_test_part_and_in_training_are_a_leak(healthy: Path) -> None:
    config = DataConfig(name=str(healthy), group_by=r"^(\d)\d", validation=0.5)
    report = check_images(config, silent)
    (found,) = (finding for finding in report.findings if finding.kind == "group_across")
    assert found.title == "1 group is in the training set and in the test set"
    assert len(found.groups[0]) == 30
    assert kinds(check_images(DataConfig(name=str(healthy)), silent)) == set()


def test_a_pattern_that_does_not_fit_is_a_problem(healthy: Path) -> None:
    report = check_images(DataConfig(name=str(healthy), group_by="x"), silent)
    assert kinds(report) == {"split", "groups"}
    assert "matches none of 40 paths; it does not match, for example, `00.png`" in report.findings[0].title


def test_many_files_are_examined_in_several_processes(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(300):
            (tmp_path / name / f"{number}.png").write_bytes(b"" if number == 7 else b"no image")
    counts: list[int] = []
    found = images_of_folder(list_folder(tmp_path), DataConfig(name=str(tmp_path)), counts.append)
    faults = [image.file.fault for image in found.images if image.file is not None]
    assert (faults.count("empty"), faults.count("corrupt")) == (2, 598)
    assert sum(counts) == 600
    assert "every class needs at least 2 images" in found.unsplit


def test_a_class_that_is_a_link_is_read_and_reported(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "pets", tmp_path / "elsewhere"
    for folder in (root / "cat", elsewhere):
        folder.mkdir(parents=True)
        for number in range(3):
            picture(number).save(folder / f"{number}.png")
    (root / "dog").symlink_to(elsewhere)
    (elsewhere / "notes.txt").write_text("")
    found = survey(list_folder(root))
    assert found.links == (Link("dog", str(elsewhere), leaves=True, exists=True, followed=True),)
    assert found.ignored == (("dog/notes.txt", "other"),)


def test_a_missing_folder_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no named set and no existing path"):
        check_images(DataConfig(name=str(tmp_path / "gone")), silent)
