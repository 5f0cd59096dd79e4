"""The workers: how many trials can run at a time here, on which devices, and how well they were used."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pynvml


@dataclass
class Usage:
    """What a run has used.

    Attributes:
        workers: the number of trials that run at a time.
        wall_seconds: time from the start of the first trial to the end of the last trial.
        fit_seconds: time inside `fit`, summed over all trials: every epoch that finished in this run, plus the time
            outside epochs (tracing) of the complete and pruned trials that started in this run.
        images: number of training images in these epochs; an image counts again in every epoch.
    """

    workers: int
    wall_seconds: float = 0.0
    fit_seconds: float = 0.0
    images: int = 0

    @property
    def fit_share(self) -> float:
        """Share of workers x wall time that was spent inside `fit`."""
        available = self.workers * self.wall_seconds
        return self.fit_seconds / available if available else 0.0

    @property
    def images_per_second(self) -> float:
        """Training images per second of wall time, of all workers together."""
        return self.images / self.wall_seconds if self.wall_seconds else 0.0


def default_slots(workers: int | None) -> list[str | None]:
    """Return one entry per worker: the GPU that it uses, or None for the processor.

    Args:
        workers: number of workers, distributed over the GPUs in turn. None means one worker per GPU or, without a GPU,
            one per core that this process may use.
    """
    gpus = list_gpus()
    if not gpus:
        return [None] * (workers or usable_cores())
    return [gpus[index % len(gpus)] for index in range(workers or len(gpus))]


def usable_cores() -> int:
    """Return the number of cores that this process may use, which in a container may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def list_gpus() -> list[str]:
    """Return the UUIDs of the visible NVIDIA GPUs. Asks the driver, because TensorFlow would reserve their memory."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return visible([pynvml.nvmlDeviceGetUUID(handle) for handle in handles], os.environ.get("CUDA_VISIBLE_DEVICES"))
    finally:
        pynvml.nvmlShutdown()


def visible(uuids: list[str], setting: str | None) -> list[str]:
    """Return the GPUs that CUDA_VISIBLE_DEVICES selects, in its order, up to the first unknown entry, as CUDA does."""
    if setting is None:
        return uuids
    chosen: list[str] = []
    for word in (part.strip() for part in setting.split(",")):
        found = (
            [uuids[int(word)]]
            if word.isdecimal() and int(word) < len(uuids)
            else [u for u in uuids if word and u.startswith(word)]
        )
        if len(found) != 1:
            break
        chosen += found
    return chosen
