"""How `sweep.run` uses its arguments, without training."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sweep
from sweep.commands.stop_signals import stop_requests
from sweep.errors import SpaceError, UserError

SPACE = """
study: demo
data: {name: digits}
model: {builder: vgg}
training: {epochs: 2, learning_rate: {low: 1.0e-4, high: 1.0, log: true}}
"""


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "demo.yaml"
    path.write_text(SPACE)
    return path


def test_all_faults_come_at_once_and_name_the_argument(space: Path) -> None:
    with pytest.raises(SpaceError) as caught:
        sweep.run(space, epochs=0, settings={"training.batch_sise": 8, "model.blocks": [1, 99]}, home=space.parent)
    assert [str(fault).partition(": ")[::2] for fault in caught.value.faults] == [
        ("epochs=0:1:1", "`epochs` must be an integer, at least 1, not 0"),
        ("settings['model.blocks']:1:5", "`blocks` must be an integer, at least 1, at most 8, not 99"),
        ("settings['training.batch_sise']:1:1", "unknown key `batch_sise` in `training`; did you mean `batch_size`?"),
    ]
    assert not (space.parent / "studies").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "trials: expected a whole number from 1, not 0"),
        ({"workers": -1}, "workers: expected a whole number from 1, not -1"),
        ({"threads": 1.5}, "threads: expected a whole number from 1, not 1.5"),
        ({"settings": {"training.l2": {1}}}, "settings: expected"),
    ],
)
def test_a_bad_argument_is_reported_with_its_name(space: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message.replace("settings: expected", "training.l2: expected a number, text")):
        sweep.run(space, **options)


def test_values_of_python_and_numpy_become_values_of_the_space(space: Path) -> None:
    from sweep.commands.overrides import overrides_from_arguments
    from sweep.space.reader import read_space

    settings = {"training.batch_size": np.int64(16), "data.name": Path("photos"), "training.momentum": None}
    changes = overrides_from_arguments(settings | {"training.learning_rate": 1e-5}, epochs=7)
    del changes[2]

    read = read_space(space, changes)
    config = read.config({})
    assert (config.training.batch_size, config.data.name, config.training.learning_rate) == (16, "photos", 1e-5)
    assert config.training.epochs == 7


def test_a_second_interrupt_ends_the_run_and_not_the_notebook() -> None:
    with stop_requests(ours=False) as stop:
        stop.graceful = True
        signal.raise_signal(signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_before_anything_runs_the_first_interrupt_ends_the_call() -> None:
    with stop_requests(ours=False), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_signals_are_left_alone_outside_the_main_thread() -> None:
    before = signal.getsignal(signal.SIGINT)
    found: list[Any] = []

    def work() -> None:
        with stop_requests(ours=False) as stop:
            found.append((stop(), signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert found == [(False, before)]
