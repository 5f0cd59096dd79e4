"""Trials whose different values have made the same model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sweep.records.trial_record import TrialRecord


class DuplicateModels:
    """Finds, for each trial that ends, an earlier one with other values and the same model.

    Args:
        records: of the trials that have ended already.
    """

    def __init__(self, records: Iterable[TrialRecord]) -> None:
        self._known: dict[str, list[TrialRecord]] = {}
        for record in records:
            self._keep(record)

    def flagged(self, record: TrialRecord) -> TrialRecord:
        """The record, with `same_model_as` where there is such a trial."""
        others = self._known.get(record.model_digest or "", [])
        duplicate = next((other for other in others if dict(other.values) != dict(record.values)), None)
        self._keep(record)
        return record if duplicate is None else replace(record, same_model_as=duplicate.number)

    def _keep(self, record: TrialRecord) -> None:
        if record.model_digest is not None:
            self._known.setdefault(record.model_digest, []).append(record)
