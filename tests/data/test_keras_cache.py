from __future__ import annotations

import os
from pathlib import Path

import pytest

from sweep.data.keras_cache import keras_cache_dir


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_HOME", raising=False)
    return tmp_path


def make_unwritable(monkeypatch: pytest.MonkeyPatch, *unwritable: Path) -> None:
    """The tests may run as root, for whom every folder is writable."""
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) not in unwritable)


def test_the_default_is_in_the_home(home: Path) -> None:
    assert keras_cache_dir() == home / ".keras"


def test_the_environment_variable_comes_before_the_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", "~/files")
    assert keras_cache_dir() == home / "files"


def test_the_argument_comes_before_the_environment_variable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", "~/files")
    assert keras_cache_dir(home / "other") == home / "other"


def test_without_a_writable_home_it_is_in_tmp(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_unwritable(monkeypatch, home)
    assert keras_cache_dir() == Path("/tmp/.keras")


def test_a_folder_that_cannot_be_written_or_made_is_not_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "read_only").mkdir()
    make_unwritable(monkeypatch, home / "read_only")
    assert keras_cache_dir(home / "read_only") == Path("/tmp/.keras")
    monkeypatch.setenv("KERAS_HOME", str(home / "read_only" / "keras"))
    assert keras_cache_dir() == Path("/tmp/.keras")


def test_an_empty_environment_variable_names_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", "")
    assert keras_cache_dir() == Path("/tmp/.keras")
