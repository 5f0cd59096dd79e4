"""How a request for a run is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep.commands.run import RunRequest, total_trials
from sweep.errors import UserError
from tests.fakes import make_space

RECIPE = "study: demo\nmodel: {builder: vgg}\n"


def test_the_total_of_trials_is_as_requested_or_else_that_of_the_space_or_else_50() -> None:
    assert total_trials(make_space(search="trials: 7"), 3) == 3
    assert total_trials(make_space(search="trials: 7"), None) == 7
    assert total_trials(make_space(), None) == 50
    assert total_trials(make_space(RECIPE), None) == 1


def test_a_number_below_1_is_refused() -> None:
    with pytest.raises(UserError, match="threads: expected a whole number from 1, not 0"):
        RunRequest(Path("space.yaml"), threads=0)
