"""Work on many files or images in as many processes as there are cores."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TypeVar

from sweep.data.contents import Advance
from sweep.errors import DataError
from sweep.image_checks.file_examination import FileFacts, examine
from sweep.image_checks.image_hash import ImageHash, hash_of
from sweep.records.array_types import UInt8Array

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

AT_ONCE = 64
FEW = 512
"""Of fewer than so many, no other process is started: each takes a second to begin."""


def examine_all(root: Path, paths: Sequence[str], advance: Advance) -> list[FileFacts]:
    """Look at files, given relative to the root; decoding keeps the interpreter busy, so threads would not help."""
    tasks = [(root, paths[start : start + AT_ONCE]) for start in range(0, len(paths), AT_ONCE)]
    return list(_map(_examine, tasks, len(paths), advance))


def hash_all(batches: Iterator[UInt8Array], count: int, advance: Advance) -> list[ImageHash]:
    """Look at `count` images, uint8 (b, h, w, c) a batch."""
    return list(_map(_hash, batches, count, advance))


def _examine(task: tuple[Path, Sequence[str]]) -> list[FileFacts]:
    root, paths = task
    return [examine(root / path) for path in paths]


def _hash(batch: UInt8Array) -> list[ImageHash]:
    return [hash_of(pixels) for pixels in batch]


def _map(
    function: Callable[[_Task], list[_Result]], tasks: Sequence[_Task] | Iterator[_Task], count: int, advance: Advance
) -> Iterator[_Result]:
    if count < FEW:
        for task in tasks:
            yield from _counted(function(task), advance)
        return
    # Not forked: a process that has threads must not be.
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        try:
            for results in pool.map(function, tasks):
                yield from _counted(results, advance)
        except BrokenProcessPool:
            raise DataError(
                "a process that looked at the images was killed, most likely for want of memory; free some, or look at "
                "fewer or smaller images at a time."
            ) from None


def _counted(results: list[_Result], advance: Advance) -> list[_Result]:
    advance(len(results))
    return results
