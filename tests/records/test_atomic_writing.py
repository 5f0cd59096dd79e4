"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sweep.errors import DiskError
from sweep.records.atomic_writing import atomic_write, write_atomically


def full_disk(_descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_temporary_name_keeps_the_suffix(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "model.keras") as part:
        part.write_bytes(b"weights")
        assert part == tmp_path / "model.part.keras"
        assert not (tmp_path / "model.keras").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_an_error_in_the_block_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    def fail_half_way() -> None:
        with atomic_write(tmp_path / "space.yaml") as part:
            part.write_text("ne")
            raise RuntimeError("half-way")

    write_atomically(tmp_path / "space.yaml", "old")
    with pytest.raises(RuntimeError, match="half-way"):
        fail_half_way()
    assert (tmp_path / "space.yaml").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["space.yaml"]


def test_the_content_is_synced_before_the_rename_and_the_folder_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []

    def note(descriptor: int) -> None:
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, (tmp_path / "a.txt").exists()))

    monkeypatch.setattr(os, "fsync", note)
    write_atomically(tmp_path / "a.txt", "text")
    assert synced == [("a.part.txt", False), (tmp_path.name, True)]


def test_a_sync_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(tmp_path / "a.txt", "old")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(DiskError, match="No space left on device"):
        write_atomically(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_that_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "saved_model.part").mkdir()
    (tmp_path / "saved_model.part" / "old").touch()
    with atomic_write(tmp_path / "saved_model") as part:
        part.mkdir()
        (part / "new").touch()
    assert [path.name for path in (tmp_path / "saved_model").iterdir()] == ["new"]
