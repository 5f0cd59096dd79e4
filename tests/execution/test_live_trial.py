from __future__ import annotations

from dataclasses import replace

from sweep.execution.live_trial import LiveTrial
from tests.fakes import make_record, metrics


def test_retries_count_only_while_no_epoch_is_added() -> None:
    record = make_record(state="running")
    trial = LiveTrial(record, at_start=record)

    def fail_after(epochs: int) -> int:
        trial.record = replace(record, epochs=tuple(metrics(epoch + 1) for epoch in range(epochs)))
        return trial.retries_without_progress()

    assert fail_after(epochs=0) == 0
    trial.retries += 1
    assert fail_after(epochs=0) == 1
    trial.retries += 1
    assert fail_after(epochs=3) == 0  # it has finished more epochs
    trial.retries += 1
    assert fail_after(epochs=2) == 1  # no more epochs than before
