"""Which command opens the test set. This file comes last, so the commands of the other tests need not run again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.conftest import SMALL, opened, sweep

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.mark.usefixtures("finalized")
def test_no_command_but_finalize_opens_the_test_set(home: Path) -> None:
    others = {
        "run": ["--space", str(SMALL), "--trials", "8"],
        "status": ["--study", "small"],
        "show": ["0", "--study", "small"],
        "diff": ["0", "1", "--study", "small"],
        "report": ["--study", "small"],
        "sync": ["--study", "small"],
        "reproduce": ["--study", "small"],
        "check": [str(SMALL)],
        "predict": ["--model", "small", str(home / "studies/small/final/pictures/confusion.png")],
        "export": ["--model", "small", "--format", "keras"],
    }
    ran = {command for command, _ in opened(home)}
    for command in sorted(others.keys() - ran):
        assert sweep(command, *others[command], home=home).returncode == 0

    seen = opened(home)
    assert {command for command, _ in seen} >= {*others, "finalize"}
    assert sorted({command for command, name in seen if name}) == ["finalize"]
    assert {name for command, name in seen if name} == {"test_images.npy", "test_labels.npy"}
