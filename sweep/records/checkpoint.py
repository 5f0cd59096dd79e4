"""A trial's checkpoints: one file per finished epoch, from which a killed trial resumes without a change of its result.

A file is an `.npz` file (no pickles) followed by its SHA-256, written atomically. If the digest does not match,
because the file is incomplete or a bit has changed, the previous checkpoint is used. This module does not import Keras,
because the supervisor, which never imports Keras, also reads the files.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from sweep.records.atomic_writing import atomic_write
from sweep.records.environment import arithmetic_facts
from sweep.records.image_facts import DataStamp
from sweep.records.trial_result import EpochMetrics
from sweep.space.config import TrialConfig, config_to_mapping

KEPT = 2
"""Number of checkpoints that are kept: the newest, and the previous one in case the newest is incomplete."""
_FORMAT = 1
_DIGEST_SIZE = hashlib.sha256().digest_size
_NAME = re.compile(r"checkpoint-(\d{4,})\.npz")
_log = logging.getLogger("sweep.training")

_Array: TypeAlias = npt.NDArray[Any]
State: TypeAlias = Mapping[str, Any]
"""The state of a callback: scalars, None and NumPy arrays by name."""


class CheckpointError(Exception):
    """A checkpoint cannot be used: it is incomplete, altered, or of another trial. `checkpoints` skips it."""


@dataclass(frozen=True)
class Checkpoint:
    """The complete state of a trial at the end of an epoch.

    Attributes:
        epochs: the finished epochs, at least one.
        variables: the model's variables (without the states of random generators, which follow from the seed), then
            the optimizer's.
        best_weights: `model.get_weights()` of the best epoch; None if the best epoch is the last one.
        callbacks: the states of the callbacks, by name of the callback.
        ended: True if training ends with this epoch, by early stopping or because it is the last epoch.
        build_seconds, fit_seconds: time spent so far, summed over all starts of the trial.
    """

    epochs: tuple[EpochMetrics, ...]
    variables: tuple[_Array, ...]
    best_weights: tuple[_Array, ...] | None = None
    callbacks: Mapping[str, State] = field(default_factory=dict)
    ended: bool = False
    build_seconds: float = 0.0
    fit_seconds: float = 0.0

    @property
    def epoch(self) -> int:
        """The last finished epoch."""
        return self.epochs[-1].epoch


def identity(config: TrialConfig, stamp: DataStamp) -> str:
    """Return the SHA-256 over all that determines a trial's result bit for bit: configuration, images, environment.

    A trial must not resume from a checkpoint with another identity.
    """
    facts = {"config": config_to_mapping(config), "data": dataclasses.asdict(stamp), "environment": arithmetic_facts()}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def write_checkpoint(folder: Path, checkpoint: Checkpoint, owner: str) -> None:
    """Write a checkpoint, then remove all checkpoints except the newest `KEPT`.

    Args:
        folder: the trial's folder.
        checkpoint: the state after the last epoch.
        owner: `identity` of the trial.

    Raises:
        OSError: the disk is full, or the folder cannot be written; the older checkpoints are kept.
    """
    path = folder / f"checkpoint-{checkpoint.epoch:04d}.npz"
    arrays = _pack(checkpoint, owner)
    with atomic_write(path) as part, part.open("wb") as stream:
        hashing = _Hashing(stream)
        np.savez(hashing, **arrays)  # type: ignore[arg-type]  # mypy: an array could have the name `allow_pickle`; none has
        stream.write(hashing.sha256.digest())
    for old in _files(folder)[KEPT:]:
        old.unlink(missing_ok=True)


def checkpoints(folder: Path, owner: str) -> Iterator[Checkpoint]:
    """Yield the checkpoints that a trial with the `identity` `owner` can resume from, the newest first.

    Checkpoints that cannot be used are logged and left out.
    """
    for path in _files(folder):
        try:
            yield _unpack(_verified(path), owner)
        except (CheckpointError, OSError) as error:
            _log.warning("%s is not used: %s", path.name, error)


def last_epoch(folder: Path) -> int:
    """The epoch after which a trial can resume, from the newest file with a matching digest; 0 if there is none."""
    for path in _files(folder):
        try:
            _verified(path)
        except (CheckpointError, OSError):
            continue
        return _epoch_of(path)
    return 0


def remove_checkpoints(folder: Path) -> None:
    """Remove all checkpoints of a trial that has ended, including incomplete files."""
    for path in [*_files(folder), *folder.glob("checkpoint-*.part*")]:
        path.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    """The checkpoint files, without temporary files, the newest epoch first."""
    found = [path for path in folder.glob("checkpoint-*.npz") if _NAME.fullmatch(path.name)]
    return sorted(found, key=_epoch_of, reverse=True)


def _epoch_of(path: Path) -> int:
    return int(path.stem.removeprefix("checkpoint-"))


class _Hashing(io.RawIOBase):
    """A file that computes its digest. It is not seekable, so that `zipfile` does not overwrite digested bytes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        return self._stream.write(data)


def _pack(checkpoint: Checkpoint, owner: str) -> dict[str, _Array]:
    arrays = {f"variable.{index}": array for index, array in enumerate(checkpoint.variables)}
    for index, array in enumerate(checkpoint.best_weights or ()):
        arrays[f"best.{index}"] = array
    scalars: dict[str, dict[str, Any]] = {}
    for name, state in checkpoint.callbacks.items():
        scalars[name] = {key: value for key, value in state.items() if not isinstance(value, np.ndarray)}
        arrays |= {f"state.{name}.{key}": value for key, value in state.items() if isinstance(value, np.ndarray)}
    meta = {
        "format": _FORMAT,
        "owner": owner,
        "epochs": [dataclasses.asdict(metrics) for metrics in checkpoint.epochs],
        "best": checkpoint.best_weights is not None,
        "callbacks": scalars,
        "ended": checkpoint.ended,
        "build_seconds": checkpoint.build_seconds,
        "fit_seconds": checkpoint.fit_seconds,
    }
    return {"meta": np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays}


def _verified(path: Path) -> bytes:
    """Read a file and return its content without the digest; raises CheckpointError if the digest does not match."""
    content = path.read_bytes()
    body, digest = content[:-_DIGEST_SIZE], content[-_DIGEST_SIZE:]
    if hashlib.sha256(body).digest() != digest:
        raise CheckpointError("it is incomplete or altered: its digest does not match")
    return body


def _unpack(body: bytes, owner: str) -> Checkpoint:
    with np.load(io.BytesIO(body), allow_pickle=False) as file:
        meta = json.loads(file["meta"].tobytes())
        if meta["format"] != _FORMAT:
            raise CheckpointError(f"it has format {meta['format']}; this version reads format {_FORMAT}")
        if meta["owner"] != owner:
            raise CheckpointError("it was written with another configuration, other images or other package versions")
        return Checkpoint(
            epochs=tuple(EpochMetrics(**metrics) for metrics in meta["epochs"]),
            variables=_numbered(file, "variable"),
            best_weights=_numbered(file, "best") if meta["best"] else None,
            callbacks={name: {**state, **_arrays(file, name)} for name, state in meta["callbacks"].items()},
            ended=meta["ended"],
            build_seconds=meta["build_seconds"],
            fit_seconds=meta["fit_seconds"],
        )


def _numbered(file: Mapping[str, _Array], kind: str) -> tuple[_Array, ...]:
    count = sum(name.startswith(f"{kind}.") for name in file)
    return tuple(file[f"{kind}.{index}"] for index in range(count))


def _arrays(file: Mapping[str, _Array], callback: str) -> dict[str, _Array]:
    head = f"state.{callback}."
    return {name.removeprefix(head): file[name] for name in file if name.startswith(head)}
