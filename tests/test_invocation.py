from __future__ import annotations

from importlib import metadata

import pytest
from typer.testing import CliRunner

from sweep.cli import app
from sweep.invocation import command_text


def test_a_command_is_named_as_the_program_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWEEP_CALLED_AS", raising=False)
    assert command_text("reproduce") == "python -m sweep.reproduce"
    monkeypatch.setenv("SWEEP_CALLED_AS", "scripts/sweep")
    assert command_text("reproduce") == "scripts/sweep reproduce"


def test_the_program_prints_its_version_and_lists_its_commands() -> None:
    version, usage = (CliRunner().invoke(app(), [word]) for word in ("--version", "--help"))
    assert (version.exit_code, version.output) == (0, f"sweep {metadata.version('sweep')}\n")
    assert all(f" {name} " in usage.output for name in ("run", "status", "finalize", "reproduce", "doctor"))
