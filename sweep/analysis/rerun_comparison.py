"""Whether a trial that was run again gave the same result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweep.records.trial_result import EpochMetrics

COMPARED = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")


@dataclass(frozen=True)
class Comparison:
    """How a second run of a trial compares with its record.

    Attributes:
        verdict: `EXACT`, `WITHIN x` (x is the largest difference of any metric in any epoch) or `DIVERGED at epoch n`.
        largest: that difference; None where one run has epochs that the other has not, or they failed differently.
        same_weights: the digests of the final weights agree; None where there is none to compare.
        environment: differences of the environments, one line each.
    """

    verdict: str
    largest: float | None
    same_weights: bool | None
    environment: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """The result was reproduced."""
        return not self.verdict.startswith("DIVERGED")


def compare_with_record(
    recorded: Sequence[EpochMetrics],
    again: Sequence[EpochMetrics],
    digests: tuple[str | None, str | None],
    environments: tuple[Mapping[str, str], Mapping[str, str]],
    tolerance: float,
    causes: tuple[str, str] = ("", ""),
) -> Comparison:
    """Compare epoch by epoch.

    Args:
        recorded, again: the epochs of the record and of the second run.
        digests: of the final weights, likewise.
        environments: likewise.
        tolerance: up to this difference of a metric the runs count as the same within rounding.
        causes: why each failed, "" for not at all. The second run of a trial that was not complete is ended after the
            last recorded epoch; that it did not fail says something only where there is none.
    """
    changed = environment_differences(*environments)
    same_weights = None if None in digests else digests[0] == digests[1]
    gaps = [_gap(first, second) for first, second in zip(recorded, again, strict=False)]
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


def _gap(first: EpochMetrics, second: EpochMetrics) -> float:
    return max(abs(float(getattr(first, name)) - float(getattr(second, name))) for name in COMPARED)


def environment_differences(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, ...]:
    """`name: old -> new` for each difference."""
    names = sorted({*old, *new})
    return tuple(
        f"{name}: {old.get(name, '<absent>')} -> {new.get(name, '<absent>')}"
        for name in names
        if old.get(name) != new.get(name)
    )
