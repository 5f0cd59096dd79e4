from __future__ import annotations

import pytest

from sweep.execution import workers
from sweep.execution.workers import default_slots, visible

GPUS = ["GPU-aaa1", "GPU-aaa2", "GPU-b"]


@pytest.mark.parametrize(
    ("setting", "seen"),
    [
        (None, ["GPU-aaa1", "GPU-aaa2", "GPU-b"]),
        ("", []),
        ("0", ["GPU-aaa1"]),
        ("2,0", ["GPU-b", "GPU-aaa1"]),
        (" 1 , 2 ", ["GPU-aaa2", "GPU-b"]),
        ("-1", []),
        ("0,-1,1", ["GPU-aaa1"]),
        ("1,3,0", ["GPU-aaa2"]),
        ("GPU-b", ["GPU-b"]),
        ("GPU-aaa2,0", ["GPU-aaa2", "GPU-aaa1"]),
        ("GPU-a", []),  # ambiguous
        ("GPU-c,0", []),
        ("0,,1", ["GPU-aaa1"]),
        ("none", []),
        ("²", []),  # a digit for Python, but not a decimal number
    ],
)
def test_cuda_visible_devices_is_read_as_cuda_does(setting: str | None, seen: list[str]) -> None:
    assert visible(GPUS, setting) == seen


def test_without_gpus_there_is_a_worker_per_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "list_gpus", list)
    monkeypatch.setattr(workers, "usable_cores", lambda: 3)
    assert default_slots(None) == [None, None, None]
    assert default_slots(1) == [None]


def test_workers_take_turns_over_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "list_gpus", lambda: ["GPU-a", "GPU-b"])
    assert default_slots(None) == ["GPU-a", "GPU-b"]
    assert default_slots(3) == ["GPU-a", "GPU-b", "GPU-a"]
    assert default_slots(1) == ["GPU-a"]
