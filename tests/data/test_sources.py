from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sweep.data.sources import find_source
from sweep.errors import DataError
from sweep.space.config import DataConfig


def test_a_named_set_a_folder_and_an_archive_are_distinguished(flat_folder: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((4, 2, 2), np.uint8), y=np.array([0, 0, 1, 1]))
    names = ("digits", str(flat_folder), str(tmp_path / "a.npz"))
    assert [find_source(DataConfig(name=name)).description for name in names] == [
        "named set digits",
        f"folder {flat_folder}",
        f"file {tmp_path}/a.npz",
    ]


def test_a_mistyped_set_gets_a_suggestion_and_the_list() -> None:
    with pytest.raises(DataError) as caught:
        find_source(DataConfig(name="cifra10"))
    assert str(caught.value) == (
        "data `cifra10`: no named set and no existing path; did you mean `cifar10`? Expected: the named sets "
        "digits, cifar10, cifar100, fashion_mnist, mnist; a directory of class folders; an .npz file of images and "
        "labels."
    )


def test_a_mistyped_path_gets_its_neighbour_as_suggestion(flat_folder: Path) -> None:
    with pytest.raises(DataError, match=f"did you mean `{flat_folder}`"):
        find_source(DataConfig(name=str(flat_folder.parent / "pest")))


def test_an_unknown_name_gets_no_suggestion() -> None:
    with pytest.raises(DataError, match=r"no existing path\. Expected: the named sets"):
        find_source(DataConfig(name="/nowhere/at/all/zzzz"))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images.zip").write_bytes(b"")
    with pytest.raises(
        DataError, match=r"images\.zip`: the file is not an \.npz file\. Expected: the named sets digits"
    ):
        find_source(DataConfig(name=str(tmp_path / "images.zip")))


def test_a_folder_wins_over_the_name_of_a_set_only_when_written_as_a_path(
    flat_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat_folder.rename(flat_folder.with_name("mnist"))
    monkeypatch.chdir(flat_folder.parent)
    assert find_source(DataConfig(name="mnist")).description == "named set mnist"
    assert find_source(DataConfig(name="./mnist")).description == "folder mnist"


def test_the_room_works_without_tensorflow() -> None:
    code = (
        "import sys; import sweep.data.preparation, sweep.data.loading, sweep.data.sealed_test_part;"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0
