from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.records.held_file import HeldFile


@pytest.fixture
def held(tmp_path: Path) -> Iterator[HeldFile]:
    """An open file in a folder `demo`."""
    path = tmp_path / "demo" / "file"
    path.parent.mkdir()
    with path.open("w") as stream:
        yield HeldFile.of(stream.fileno(), path)


def test_a_file_that_nothing_moved_is_in_place(held: HeldFile) -> None:
    assert held.is_in_place()


def test_a_file_whose_folder_was_moved_is_not_in_place_until_it_is_moved_back(held: HeldFile) -> None:
    folder = held.path.parent
    folder.rename(folder.with_name("moved"))
    assert not held.is_in_place()
    folder.with_name("moved").rename(folder)
    assert held.is_in_place()


def test_a_removed_file_is_not_in_place(held: HeldFile) -> None:
    held.path.unlink()
    assert not held.is_in_place()


def test_another_file_of_the_same_name_and_content_is_not_the_held_file(held: HeldFile) -> None:
    for _ in range(20):  # some file systems give the inode of a removed file to the next file, unless it is held
        held.path.unlink()
        held.path.touch()
        assert not held.is_in_place()


def test_a_file_instead_of_the_folder_is_not_the_held_file(held: HeldFile) -> None:
    held.path.unlink()
    held.path.parent.rmdir()
    held.path.parent.touch()
    assert not held.is_in_place()


def test_a_link_to_the_moved_folder_leads_to_the_held_file(held: HeldFile) -> None:
    folder = held.path.parent
    folder.rename(folder.with_name("moved"))
    folder.symlink_to(folder.with_name("moved"))
    assert held.is_in_place()


def test_a_relative_path_keeps_its_meaning_in_another_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    descriptor = os.open("file", os.O_WRONLY | os.O_CREAT)
    held = HeldFile.of(descriptor, Path("file"))
    monkeypatch.chdir("/")
    assert held.path == tmp_path / "file"
    assert held.is_in_place()
    os.close(descriptor)
