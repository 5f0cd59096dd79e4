from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier

import pytest

from sweep.data.cache import (
    ARRAYS,
    Prepared,
    cache_key,
    check_room,
    publish,
    read_prepared,
    scratch_folder,
    write_meta,
)
from sweep.data.contents import Contents, Source
from sweep.errors import DataError
from sweep.space.config import DataConfig


def never() -> Contents:
    raise AssertionError("opened")


def source(fingerprint: str, has_test: bool = True) -> Source:
    return Source("a source", fingerprint, has_test, never)


def test_a_key_begins_with_the_name_of_the_data() -> None:
    assert cache_key(source("1"), DataConfig(name="/data/my pets.npz")) == "my-pets-29f572c6796ff8a4"


def test_a_key_follows_the_fingerprint() -> None:
    assert cache_key(source("1"), DataConfig()) != cache_key(source("2"), DataConfig())


def test_a_missing_folder_holds_nothing(tmp_path: Path) -> None:
    assert read_prepared(tmp_path / "none") is None


def test_a_scratch_folder_is_removed_after_an_error(tmp_path: Path) -> None:
    with suppress(KeyError), scratch_folder(tmp_path / "cache") as scratch:
        (scratch / "file").write_text("x")
        raise KeyError
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_incomplete_scratch_folder_is_not_published_silently(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    with pytest.raises(DataError, match="was changed while it was written"):
        publish(tmp_path / "scratch", tmp_path / "key")


def test_processes_that_publish_at_once_all_use_the_first_result(tmp_path: Path) -> None:
    for attempt in range(20):
        cache = tmp_path / str(attempt)
        scratches = [cache / f"scratch{number}" for number in range(4)]
        for scratch in scratches:
            scratch.mkdir(parents=True)
            for name in ARRAYS:
                (scratch / name).write_text(scratch.name)
            write_meta(scratch, Prepared(str(scratch), scratch.name, ("cat", "dog"), (8, 8, 1), 2, 2, "a source"))
        barrier = Barrier(4)

        def take(scratch: Path, folder: Path = cache / "key", barrier: Barrier = barrier) -> Prepared:
            barrier.wait()
            return publish(scratch, folder)

        with ThreadPoolExecutor(4) as pool:
            taken = set(pool.map(take, scratches))
        (first,) = taken
        left = [scratch for scratch in scratches if scratch.name != first.digest]
        assert sorted(cache.iterdir()) == [cache / "key", *left]


def test_the_arrays_are_on_the_disk_before_they_are_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch, synced = tmp_path / "scratch", set()
    scratch.mkdir()
    for name in ARRAYS:
        (scratch / name).write_text("pixels")
    write_meta(scratch, Prepared(str(scratch), "digest", ("cat", "dog"), (8, 8, 1), 2, 2, "a source"))
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(Path(f"/proc/self/fd/{descriptor}").readlink()))
    publish(scratch, tmp_path / "key")
    assert synced == {scratch, *(scratch / name for name in (*ARRAYS, "meta.json"))}


def test_a_full_disk_is_noticed_before_writing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1000000000\.0 GB are needed for the decoded images, .* GB are free"):
        check_room(tmp_path, 10**18)
