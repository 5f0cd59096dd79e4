"""Compare trial records: a rerun with its record, and trials that built the same model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sweep.records.trial_record import TrialRecord
from sweep.records.trial_result import EpochMetrics
from sweep.space.fields import Value

COMPARED = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")


@dataclass(frozen=True)
class Comparison:
    """How a rerun of a trial compares with its record.

    Attributes:
        verdict: `EXACT`, `WITHIN x` (x is the largest difference of any metric in any epoch) or `DIVERGED at epoch n`.
        largest: the largest difference; None if the numbers of epochs or the causes of failure differ.
        same_weights: whether the digests of the final weights are equal; None if a digest is missing.
        environment: differences of the environments, one line each.
    """

    verdict: str
    largest: float | None
    same_weights: bool | None
    environment: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """True if the rerun reproduced the result."""
        return not self.verdict.startswith("DIVERGED")


def compare_with_record(
    recorded: Sequence[EpochMetrics],
    again: Sequence[EpochMetrics],
    digests: tuple[str | None, str | None],
    environments: tuple[Mapping[str, str], Mapping[str, str]],
    tolerance: float,
    causes: tuple[str, str] = ("", ""),
) -> Comparison:
    """Compare a rerun with its record, epoch by epoch.

    Args:
        recorded, again: the epochs of the record and of the rerun.
        digests: digests of the final weights, of the record and of the rerun.
        environments: the environments of the record and of the rerun.
        tolerance: the largest difference of a metric that counts as rounding.
        causes: causes of failure of the record and of the rerun, "" for none. The rerun of an incomplete trial stops
            after the last recorded epoch, so a missing failure is a difference only if no epoch is recorded.
    """
    changed = environment_differences(*environments)
    same_weights = None if None in digests else digests[0] == digests[1]
    gaps = [_largest_gap(first, second) for first, second in zip(recorded, again, strict=False)]
    diverged = next((number for number, gap in enumerate(gaps, start=1) if gap > tolerance), None)
    if diverged is None and len(recorded) != len(again):
        diverged = min(len(recorded), len(again)) + 1
    if diverged is None and causes[0] != causes[1] and (causes[1] or not recorded):
        diverged = len(recorded) + 1
    if diverged is not None:
        largest = max(gaps) if gaps and len(recorded) == len(again) else None
        return Comparison(f"DIVERGED at epoch {diverged}", largest, same_weights, changed)
    largest = max(gaps, default=0.0)
    verdict = "EXACT" if largest == 0 and same_weights is not False else f"WITHIN {largest:.3g}"
    return Comparison(verdict, largest, same_weights, changed)


def _largest_gap(first: EpochMetrics, second: EpochMetrics) -> float:
    return max(abs(float(getattr(first, name)) - float(getattr(second, name))) for name in COMPARED)


def environment_differences(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, ...]:
    """Return `name: old -> new` for each difference, by name."""
    return tuple(
        f"{name}: {old.get(name, '<absent>')} -> {new.get(name, '<absent>')}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    )


class DuplicateModels:
    """Finds earlier trials that built the same model from other values.

    Args:
        records: the trials that have already ended.
    """

    def __init__(self, records: Iterable[TrialRecord]) -> None:
        self._known: dict[str, list[tuple[int, Mapping[str, Value]]]] = {}  # numbers and values by model digest
        for record in records:
            self._add(record)

    def flagged(self, record: TrialRecord) -> TrialRecord:
        """Return the record of an ended trial, with `same_model_as` if an earlier trial built the same model."""
        others = self._known.get(record.model_digest or "", [])
        duplicate = next((number for number, values in others if values != record.values), None)
        self._add(record)
        return record if duplicate is None else replace(record, same_model_as=duplicate)

    def _add(self, record: TrialRecord) -> None:
        if record.model_digest is not None:
            self._known.setdefault(record.model_digest, []).append((record.number, record.values))
