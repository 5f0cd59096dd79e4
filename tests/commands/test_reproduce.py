"""Train a trial again from its record. In these tests, formulas take the place of training."""

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
    """Return the record of a trial of five epochs, of which `epochs` are finished."""
    config = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, epochs=EPOCHS))
    finished = tuple(fake_epoch(config, epoch) for epoch in range(1, epochs + 1))
    return dataclasses.replace(make_record(config=config), epochs=finished, **changes)


def again(record: TrialRecord, folder: Path, cause: FailureCause | None = None) -> Repeat:
    """Train the trial again; with a cause, it fails after its second epoch."""
    failures = {record.number: TrialFailure(cause, "it went wrong")} if cause else {}
    task = Task(record.number, record.config, PREPARED, folder)
    return repeat_trial(record, task, InlineExecutor(FakeTrain(failures)), Console(quiet=True))


def test_a_complete_trial_trains_to_its_end(tmp_path: Path) -> None:
    assert len(again(record_of(EPOCHS), tmp_path).epochs) == 5


def test_a_pruned_trial_is_trained_up_to_the_epoch_where_it_was_pruned(tmp_path: Path) -> None:
    assert len(again(record_of(3, state="pruned", reason="pruned at epoch 3 (median)"), tmp_path).epochs) == 3


@pytest.mark.parametrize(("state", "reason"), [("failed", "nan"), ("pruned", "pruned after 2 epochs (nan)")])
def test_a_trial_that_ended_with_a_nan_loss_is_trained_until_the_nan_regardless_of_its_state(
    tmp_path: Path, state: str, reason: str
) -> None:
    record = record_of(2, state=state, reason=reason, cause="nan")
    repeat = again(record, tmp_path, "nan")
    assert (len(repeat.epochs), repeat.failure) == (2, "nan: it went wrong")
    assert len(again(record, tmp_path).epochs) == 5  # without a NaN loss, it trains to its end


def test_the_cause_of_an_older_record_is_its_reason() -> None:
    assert cause_of(record_of(2, state="failed", reason="data")) == "data"
    assert cause_of(record_of(2, state="pruned", reason="pruned after 2 epochs (timeout)")) == "timeout"
    assert cause_of(record_of(2, state="pruned", reason="pruned at epoch 2 (median)")) == ""


def test_a_kill_by_the_kernel_because_memory_ran_out_equals_any_other_kill() -> None:
    assert cause_of(record_of(2, state="failed", reason="oom", cause="oom")) == "killed"
