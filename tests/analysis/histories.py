"""Hand-made histories: a space with every kind of parameter, and records with given values."""

from __future__ import annotations

import dataclasses
from typing import Any

from sweep.analysis.history import History
from sweep.records.image_facts import DataStamp
from sweep.records.trial_record import TrialRecord
from sweep.space.reader import space_from_text
from sweep.space.space import Space
from tests.fakes import CONFIG, make_record

TEXT = """
study: demo
data: {name: digits}
model:
  builder: vgg
  blocks: {low: 1, high: 4}
  filters: {each: blocks, choices: [8, 16, 32]}
  l2: {low: 1.0e-6, high: 1.0e-2, log: true, or: 0}
training:
  epochs: 4
  batch_size: [32, 64, 128]
  optimizer: [sgd, adam]
  momentum: {low: 0.8, high: 0.99, when: {optimizer: sgd}}
  learning_rate: {low: 1.0e-4, high: 1.0e-1, log: true}
  label_smoothing: {low: 0.0, high: 0.1}
"""
IMAGES = DataStamp(digest="d" * 64, split="5" * 64, train=900, validation=100, shape=(8, 8, 1), classes=("0", "1"))


def make_space(text: str = TEXT) -> Space:
    """The space of these tests."""
    return space_from_text(text, "demo.yaml")


def history(*records: TrialRecord, space: Space | None = None) -> History:
    """A history of these trials."""
    return History("demo", space or make_space(), tuple(records))


def complete(number: int, value: float, **changes: Any) -> TrialRecord:
    """A complete trial with two epochs, of which the second is the best, and a hundred validation images."""
    return make_record(number, (value / 2, value), **{"reason": "all epochs", "data": IMAGES} | changes)


def pruned(number: int, *accuracies: float, **changes: Any) -> TrialRecord:
    """A trial that was pruned after these epochs."""
    reason = f"pruned at epoch {len(accuracies)} (median)"
    return make_record(number, accuracies, **{"state": "pruned", "reason": reason, "data": IMAGES} | changes)


def failed(number: int, cause: str = "nan", message: str = "the loss is nan", **changes: Any) -> TrialRecord:
    """A trial that failed after an epoch."""
    fields = {"state": "failed", "reason": cause, "message": message, "objective_value": None, "best_epoch": None}
    return make_record(number, (0.1,), **fields | {"data": IMAGES} | changes)


def with_epochs(record: TrialRecord, limit: int) -> TrialRecord:
    """The same trial with another epoch limit."""
    training = dataclasses.replace(CONFIG.training, epochs=limit)
    return dataclasses.replace(record, config=dataclasses.replace(CONFIG, training=training))
