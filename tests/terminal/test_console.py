"""The consoles of the commands."""

from __future__ import annotations

import builtins
import io
import sys

import pytest

from sweep.terminal.console import make_console


class Screen(io.StringIO):
    """A stream that claims to be a terminal, as a notebook's output does."""

    def isatty(self) -> bool:
        return True


class ZMQInteractiveShell:
    """A class with the name of a notebook's shell."""


def test_a_notebook_gets_plain_lines_though_its_stream_claims_to_be_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", Screen())
    assert make_console().is_terminal

    monkeypatch.setattr(builtins, "get_ipython", ZMQInteractiveShell, raising=False)
    console = make_console()
    console.print("x" * 200, style="bold")

    assert (console.is_terminal, console.is_jupyter) == (False, False)
    assert console.file.getvalue() == "x" * 200 + "\n"  # type: ignore[attr-defined]
