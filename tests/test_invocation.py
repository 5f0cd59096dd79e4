from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sweep.cli import app
from sweep.invocation import command_text, home_option, same_command


def test_a_command_is_named_as_the_program_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWEEP_CALLED_AS", raising=False)
    assert command_text("reproduce") == "python -m sweep.reproduce"
    monkeypatch.setenv("SWEEP_CALLED_AS", "scripts/sweep")
    assert command_text("reproduce") == "scripts/sweep reproduce"


def test_a_command_is_repeated_with_its_quoted_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWEEP_CALLED_AS", raising=False)
    for words in (["sweep/run.py", "--home", "my sweeps"], ["sweep", "run", "--home", "my sweeps"]):
        monkeypatch.setattr(sys, "argv", words)
        assert same_command("run") == "python -m sweep.run --home 'my sweeps'"


def test_suggested_commands_name_the_home_if_it_is_not_the_current_folder() -> None:
    assert home_option(Path()) == ""
    assert home_option(Path("my sweeps")) == " --home 'my sweeps'"


def test_the_program_prints_its_version_and_lists_its_commands() -> None:
    version, usage = (CliRunner().invoke(app(), [word]) for word in ("--version", "--help"))
    assert (version.exit_code, version.output) == (0, f"sweep {metadata.version('sweep')}\n")
    assert all(f" {name} " in usage.output for name in ("run", "status", "finalize", "reproduce", "doctor"))
