"""`import sweep`: its names, and the packages that it does not import."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import sweep
import sweep.reproduce
import sweep.run
from sweep.api import functions
from sweep.api.callable_module import make_callable
from sweep.errors import SpaceError
from tests.waiting import PATIENCE

HEAVY = ("tensorflow", "keras", "optuna", "mlflow", "pandas", "numpy", "plotly", "typer", "pydantic", "rich")


def test_importing_sweep_imports_nothing_else() -> None:
    code = "import sys, sweep; print([name for name in sys.argv[1:] if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *HEAVY],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert done.stdout == "[]\n"


def test_every_public_name_exists_and_is_documented() -> None:
    assert sweep.__all__ == ["Figures", "Reproduction", "Study", "Trial", "Trials", "errors", "reproduce", "run"]
    for name in sweep.__all__:
        assert getattr(sweep, name).__doc__
        assert name in dir(sweep)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'sweep' has no attribute 'ruin'"):
        _ = sweep.ruin


def test_a_command_and_a_function_share_their_name() -> None:
    assert inspect.signature(sweep.run) == inspect.signature(functions.run)
    assert inspect.signature(sweep.reproduce) == inspect.signature(functions.reproduce)
    assert str(sweep.run.__doc__).startswith("Search a space: ")
    with pytest.raises(SpaceError, match="there is no such file"):
        sweep.run("nowhere.yaml")


def test_the_main_program_stays_a_plain_module() -> None:
    kind = type(sys.modules["__main__"])
    make_callable("__main__", print)
    assert type(sys.modules["__main__"]) is kind
