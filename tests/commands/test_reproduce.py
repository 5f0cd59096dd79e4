"""A trial again, as its record and the policies of its study have left it: training is in closed form here."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sweep.commands.reproduce import Repeat, cause_of, repeat_trial
from sweep.errors import FailureCause, TrialFailure
from sweep.execution.executor import Task
from sweep.records.trial_record import TrialRecord
from tests.fakes import CONFIG, PREPARED, FakeTrain, InlineExecutor, fake_epoch, make_record

EPOCHS = 5


def record_of(epochs: int, **changes: Any) -> TrialRecord:
    """A trial of five epochs, with as many of them as it has finished."""
    config = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, epochs=EPOCHS))
    finished = tuple(fake_epoch(config, epoch) for epoch in range(1, epochs + 1))
    return dataclasses.replace(make_record(config=config), epochs=finished, **changes)


def again(record: TrialRecord, folder: Path, cause: FailureCause | None = None) -> Repeat:
    """Train it once more; with a cause, it fails after its second epoch."""
    failures = {record.number: TrialFailure(cause, "it went wrong")} if cause else {}
    task = Task(record.number, record.config, PREPARED, folder)
    return repeat_trial(record, task, InlineExecutor(FakeTrain(failures)), Console(quiet=True))


def test_a_complete_trial_trains_to_its_end(tmp_path: Path) -> None:
    assert len(again(record_of(EPOCHS), tmp_path).epochs) == 5


def test_a_pruned_trial_is_ended_where_it_was(tmp_path: Path) -> None:
    assert len(again(record_of(3, state="pruned", reason="pruned at epoch 3 (median)"), tmp_path).epochs) == 3


@pytest.mark.parametrize(("state", "reason"), [("failed", "nan"), ("pruned", "pruned after 2 epochs (nan)")])
def test_a_loss_that_was_no_number_is_waited_for_whatever_the_policy_called_the_trial(
    tmp_path: Path, state: str, reason: str
) -> None:
    record = record_of(2, state=state, reason=reason, cause="nan")
    repeat = again(record, tmp_path, "nan")
    assert (len(repeat.epochs), repeat.failure) == (2, "nan: it went wrong")
    assert len(again(record, tmp_path).epochs) == 5  # and is missed where it does not come


def test_the_cause_of_an_older_record_is_its_reason() -> None:
    assert cause_of(record_of(2, state="failed", reason="data")) == "data"
    assert cause_of(record_of(2, state="pruned", reason="pruned after 2 epochs (timeout)")) == "timeout"
    assert cause_of(record_of(2, state="pruned", reason="pruned at epoch 2 (median)")) == ""


def test_the_kernels_kill_for_want_of_memory_is_like_any_other() -> None:
    assert cause_of(record_of(2, state="failed", reason="oom", cause="oom")) == "killed"
