from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.image_checks.conftest import doctor, picture


def test_a_healthy_folder_has_no_problems(healthy: Path) -> None:
    done = doctor(str(healthy))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"folder {healthy}: 50 images, 2 classes"
    assert [line.split() for line in lines[1:4]] == [
        ["class", "train", "validation", "test"],
        ["cat", "18", "2", "5"],
        ["dog", "18", "2", "5"],
    ]
    assert lines[-1] == "no problems found"


def test_findings_are_printed_with_files_and_advice(healthy: Path, tmp_path: Path) -> None:
    (tmp_path / "pets").symlink_to(healthy)
    (tmp_path / "own").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "own" / name).mkdir()
        for number in range(12):
            picture(number + 50 * (name == "cat")).save(tmp_path / "own" / name / f"{number}.png")
    (tmp_path / "own" / "dog" / "\x1b[31m.png").write_bytes(b"")
    done = doctor(str(tmp_path / "own"), "--set", "data.validation=0.2")
    assert done.returncode == 1
    assert "problem: 1 file without content\n  dog/\\x1b[31m.png: 0 bytes\n  Replace or remove them; " in done.stdout
    assert done.stdout.splitlines()[-1] == "1 problem"
    assert "\x1b" not in done.stdout


def test_data_that_cannot_be_checked_ends_with_exit_code_2(tmp_path: Path, healthy: Path) -> None:
    (tmp_path / "empty").mkdir()
    for words, message in (
        ([str(tmp_path / "nowhere")], "no named set and no existing path"),
        ([str(tmp_path / "empty")], "holds no class folders"),
        ([], "expected a folder, an .npz file, the name of a data set, or --space FILE"),
        ([str(healthy), "--set", "data.validation=2"], "`validation` must be a number, more than 0, less than 1"),
        ([str(healthy), "--html", "/dev/null/page.html"], "cannot be written"),
    ):
        done = doctor(*words)
        assert done.returncode == 2, done
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_images_are_split_as_in_the_data_section_of_the_space(healthy: Path, tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text(f"study: a\ndata: {{name: {healthy}, validation: 0.25}}\nmodel: {{builder: vgg}}\n")
    printed = json.loads(doctor("--space", str(space), "--json").stdout)
    assert printed["classes"]["cat"] == {"train": 15, "validation": 5, "test": 5, "unused": 0}


def test_an_archive_is_checked_as_well(tmp_path: Path) -> None:
    images = np.stack([np.asarray(picture(seed, 32)) for seed in range(40)])
    images[39] = images[0]
    np.savez(tmp_path / "a.npz", x=images, y=np.arange(40) % 2)
    printed = json.loads(doctor(str(tmp_path / "a.npz"), "--json").stdout)
    (conflict,) = (finding for finding in printed["findings"] if finding["kind"] == "duplicate_conflict")
    assert [[entry["name"] for entry in group] for group in conflict["groups"]] == [["train[0]", "train[39]"]]


def test_very_small_images_are_not_searched_for_near_duplicates(tmp_path: Path) -> None:
    images = np.stack([np.asarray(picture(seed, 8)) for seed in range(60)])
    np.savez(tmp_path / "a.npz", x=images, y=np.arange(60) % 2)
    done = doctor(str(tmp_path / "a.npz"))
    assert done.returncode == 0
    assert "note: Near duplicates were not searched for: most images are smaller than 16 x 16" in done.stdout
