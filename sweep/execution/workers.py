"""How many trials can run at a time here, and on what."""

from __future__ import annotations

import os

import pynvml


def default_slots(workers: int | None) -> list[str | None]:
    """One entry per worker: the GPU that it uses, or None for the processor.

    With GPUs the default is one worker each, and `workers` are dealt out over them in turn; without, the default is
    one worker per core that this process may use.

    Args:
        workers: how many; None for the default.
    """
    gpus = list_gpus()
    if not gpus:
        return [None] * (workers or usable_cores())
    return [gpus[index % len(gpus)] for index in range(workers or len(gpus))]


def usable_cores() -> int:
    """Cores that this process may run on; a container's share may be smaller than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def list_gpus() -> list[str]:
    """UUIDs of the NVIDIA GPUs that the user lets us see, asked of the driver: TensorFlow would claim them."""
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
    """The GPUs that CUDA_VISIBLE_DEVICES leaves, in its order; like CUDA, the first unknown entry ends the list."""
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
