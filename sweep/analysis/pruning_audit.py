"""What pruning may have cost: read off the trials that would have been pruned and were let run on."""

from __future__ import annotations

from dataclasses import dataclass

from sweep.analysis.calibration import Interval, wilson
from sweep.analysis.history import History, value_of
from sweep.records.trial_record import TrialRecord

TOP = 5
"""Places that count as the top of the ranking."""


@dataclass(frozen=True)
class AuditedTrial:
    """A trial that would have been pruned, ran on and finished.

    Attributes:
        cut: epoch after which the pruner would have ended it.
        at_cut: the best objective until then; None where the record has no such epoch.
        value: its objective in the end.
        rank: its place among the complete trials, 1 for the best.
    """

    number: int
    cut: int
    at_cut: float | None
    value: float
    rank: int

    @property
    def wrongly(self) -> bool:
        """To prune it would have been a mistake."""
        return self.rank <= TOP


@dataclass(frozen=True)
class Audit:
    """The verdict over a study's pruner.

    Which trials are audited follows from seed and number alone, so they are a fair sample of those that the pruner
    would end, and their share holds for those that it did end.

    Attributes:
        trials: the audited ones, the best first.
        reached_top: how many of them are among the best five.
        share: `reached_top` as a share of all audited trials, with its 95 % interval; None without any.
        lost: the same times the number of pruned trials: how many of those would be as good as the best five are.
        suggested_warmup: least `warmup_epochs` that is past every cut that would have been a mistake; None without any.
    """

    trials: tuple[AuditedTrial, ...]
    reached_top: int
    share: Interval | None
    lost: Interval | None
    suggested_warmup: int | None


def audit(history: History) -> Audit:
    """Judge a study's pruner by the trials that it was not allowed to end."""
    trials = tuple(
        _audited(history, record, place)
        for place, record in enumerate(history.ranked, start=1)
        if record.audited_at is not None
    )
    wrongly = [trial for trial in trials if trial.wrongly]
    share = wilson(len(wrongly), len(trials)) if trials else None
    pruned = len(history.of("pruned"))
    return Audit(
        trials=trials,
        reached_top=len(wrongly),
        share=share,
        lost=Interval(*(bound * pruned for bound in share)) if share else None,
        suggested_warmup=1 + max(trial.cut for trial in wrongly) if wrongly else None,
    )


def _audited(history: History, record: TrialRecord, rank: int) -> AuditedTrial:
    cut = record.audited_at or 0
    early = [metrics.value(history.objective) for metrics in record.epochs[:cut]]
    at_cut = (max if history.maximize else min)(early) if early else None
    return AuditedTrial(record.number, cut, at_cut, value_of(record), rank)
