from __future__ import annotations

import pytest

from sweep.invocation import command_text


def test_a_command_is_named_as_the_program_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWEEP_CALLED_AS", raising=False)
    assert command_text("reproduce") == "python -m sweep.reproduce"
    monkeypatch.setenv("SWEEP_CALLED_AS", "scripts/sweep")
    assert command_text("reproduce") == "scripts/sweep reproduce"
