"""A trial as a row of a table."""

from __future__ import annotations

from sweep.analysis.trial_row import trial_row
from tests.fakes import make_record


def test_a_row_has_the_columns_of_files_and_the_texts_of_tables() -> None:
    row = trial_row(make_record(7, (0.5, 0.75), parameters=1234, timings={"total": 75.0}, origin="vgg16.yaml"))

    assert row.columns("val_accuracy") == {
        "state": "complete",
        "reason": row.reason,
        "val_accuracy": 0.75,
        "best_epoch": 2,
        "epochs": 2,
        "parameters": 1234,
        "seconds": 75.0,
    }
    assert row.texts("val_accuracy") == {
        "trial": "7",
        "state": "complete",
        "val_accuracy": "0.7500",
        "behind": "-",
        "best epoch": "2/2",
        "parameters": "1,234",
        "time": "1 min 15 s",
        "values": "learning_rate=0.001 (from vgg16.yaml)",
    }


def test_a_missing_value_is_a_hyphen() -> None:
    texts = trial_row(make_record(1, state="failed", reason="bug")).texts("val_accuracy")

    assert texts["state"] == "failed: bug"
    assert (texts["val_accuracy"], texts["best epoch"], texts["parameters"], texts["time"]) == ("-", "-/0", "-", "-")
