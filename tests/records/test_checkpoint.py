"""Checkpoint files: a written checkpoint is read unchanged, and a torn file is never used. Without TensorFlow."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sweep.records.checkpoint import (
    Checkpoint,
    checkpoints,
    identity,
    last_epoch,
    remove_checkpoints,
    write_checkpoint,
)
from tests.fakes import CONFIG, STAMP, metrics

OWNER = "a" * 64


def make_checkpoint(epoch: int = 1) -> Checkpoint:
    """The state of a tiny model after `epoch` epochs."""
    return Checkpoint(
        epochs=tuple(metrics(number, accuracy=0.1 * number) for number in range(1, epoch + 1)),
        variables=(np.full((2, 3), epoch, np.float32), np.array(7, np.int64)),
        best_weights=(np.arange(4, dtype=np.float32),),
        callbacks={"0-Plateau": {"best": 0.1 + 0.2, "wait": epoch, "never": None, "kept": np.arange(3)}},
        build_seconds=1.5,
        fit_seconds=0.1 * epoch,
    )


def write(folder: Path, *epochs: int) -> None:
    for epoch in epochs:
        write_checkpoint(folder, make_checkpoint(epoch), OWNER)


def usable(folder: Path, owner: str = OWNER) -> list[int]:
    return [checkpoint.epoch for checkpoint in checkpoints(folder, owner)]


def test_a_checkpoint_is_read_back_with_the_same_bits(tmp_path: Path) -> None:
    write(tmp_path, 3)

    (read,) = checkpoints(tmp_path, OWNER)

    assert read.epochs == make_checkpoint(3).epochs
    assert [(str(array.dtype), array.tolist()) for array in read.variables] == [
        ("float32", [[3, 3, 3], [3, 3, 3]]),
        ("int64", 7),
    ]
    assert read.best_weights is not None
    assert [array.tolist() for array in read.best_weights] == [[0, 1, 2, 3]]
    state = dict(read.callbacks["0-Plateau"])
    assert state.pop("kept").tolist() == [0, 1, 2]
    assert state == {"best": 0.30000000000000004, "wait": 3, "never": None}
    assert (read.ended, read.build_seconds, read.fit_seconds) == (False, 1.5, 0.30000000000000004)


def test_the_newest_comes_first_and_only_two_are_kept(tmp_path: Path) -> None:
    write(tmp_path, 8, 9, 10, 11)

    assert usable(tmp_path) == [11, 10]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-0010.npz", "checkpoint-0011.npz"]
    assert last_epoch(tmp_path) == 11


def test_a_file_cut_at_any_byte_falls_back_to_the_previous_checkpoint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, 1, 2)
    path = tmp_path / "checkpoint-0002.npz"
    whole = path.read_bytes()
    with caplog.at_level(logging.WARNING, "sweep.training"):
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            assert usable(tmp_path) == [1], length
    assert last_epoch(tmp_path) == 1
    assert caplog.messages[0] == (
        "checkpoint-0002.npz is not used: it is incomplete or altered: its digest does not match"
    )


def test_a_single_bit_that_flipped_anywhere_is_noticed(tmp_path: Path) -> None:
    write(tmp_path, 1)
    path = tmp_path / "checkpoint-0001.npz"
    whole = path.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        assert usable(tmp_path) == [], position


def test_bytes_after_the_digest_are_noticed(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with (tmp_path / "checkpoint-0001.npz").open("ab") as stream:
        stream.write(b"x")
    assert usable(tmp_path) == []


def test_if_both_files_are_torn_the_trial_starts_again(tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert (usable(tmp_path), last_epoch(tmp_path)) == ([], 0)


def test_an_interrupted_write_leaves_the_previous_checkpoint(tmp_path: Path) -> None:
    write(tmp_path, 1)
    (tmp_path / "checkpoint-0002.part.npz").write_bytes(b"half of it")
    assert usable(tmp_path) == [1]
    write(tmp_path, 2)
    assert usable(tmp_path) == [2, 1]


def test_the_checkpoint_of_another_trial_is_never_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, 1)
    assert usable(tmp_path, "b" * 64) == []
    assert "it was written with another configuration, other images or other package versions" in caplog.text


def test_the_identity_changes_with_configuration_threads_and_images() -> None:
    training = replace(CONFIG.training, learning_rate=0.5)
    others = [
        identity(replace(CONFIG, threads=2), STAMP),
        identity(replace(CONFIG, seed=43), STAMP),
        identity(replace(CONFIG, training=training), STAMP),
        identity(CONFIG, replace(STAMP, digest="e" * 64)),
        identity(CONFIG, STAMP),
    ]
    assert len(set(others)) == 5
    assert identity(CONFIG, STAMP) == others[-1]


def test_the_identity_changes_with_the_versions_and_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    before = identity(CONFIG, STAMP)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert identity(CONFIG, STAMP) != before


def test_the_identity_does_not_depend_on_which_gpu_a_trial_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity(CONFIG, STAMP)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-b")
    assert identity(CONFIG, STAMP) == before


def test_an_ended_trial_loses_its_checkpoints_and_nothing_more(tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    (tmp_path / "checkpoint-0003.part.npz").touch()
    (tmp_path / "checkpoint-0004.part").touch()
    (tmp_path / "log.txt").touch()
    remove_checkpoints(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["log.txt"]


def test_a_missing_or_empty_folder_has_no_checkpoints(tmp_path: Path) -> None:
    assert (usable(tmp_path), last_epoch(tmp_path / "nowhere")) == ([], 0)
