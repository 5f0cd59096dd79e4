"""What pruning saved, and what it may have cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import spearmanr

from sweep.analysis.calibration import Interval, wilson
from sweep.analysis.history import History, fit_seconds, value_of
from sweep.records.trial_record import TrialRecord

FEWEST = 5
"""Minimum number of complete trials for a rank correlation."""
TOP = 5
"""Number of top trials: stopping one of them would have been a mistake of the pruner."""


@dataclass(frozen=True)
class PruningSummary:
    """What pruning did.

    Attributes:
        cuts: number of pruned trials by the epoch after which they were stopped.
        trained: epochs of all complete and pruned trials.
        saved: epochs that pruned trials did not train.
        stopped_early: epochs that complete trials did not train because of early stopping.
        saved_seconds: the time for the saved epochs, estimated from each trial's mean time per epoch.
        usual_cut: the epoch after which more trials were pruned than after any other.
        foresight: Spearman's rank correlation, over the complete trials, between the best value up to the usual cut and
            the final value; None if there are too few trials or one of the two is constant.
        winner_rank: rank of the winner among the complete trials at the usual cut.
        compared: number of complete trials in `foresight` and `winner_rank`.
    """

    pruned: int
    cuts: Mapping[int, int]
    trained: int
    saved: int
    stopped_early: int
    saved_seconds: float
    usual_cut: int | None
    foresight: float | None
    winner_rank: int | None
    compared: int

    @property
    def saved_share(self) -> float:
        """The saved epochs as a share of all epochs without pruning."""
        return self.saved / (self.trained + self.saved) if self.saved else 0.0


def summarize_pruning(history: History) -> PruningSummary:
    """Summarize the pruned trials of a study."""
    pruned = history.of("pruned")
    complete = history.of("complete")
    cuts = Counter(len(record.epochs) for record in pruned)
    usual = min(cuts, key=lambda epoch: (-cuts[epoch], epoch)) if cuts else None
    early = [_best_until(history, record, usual) for record in history.ranked] if usual else []
    pairs = [(loss, place) for place, loss in enumerate(early) if loss is not None]
    return PruningSummary(
        pruned=len(pruned),
        cuts=dict(sorted(cuts.items())),
        trained=sum(len(record.epochs) for record in (*pruned, *complete)),
        saved=sum(_left(record) for record in pruned),
        stopped_early=sum(_left(record) for record in complete),
        saved_seconds=sum(_left(record) * fit_seconds(record) / max(1, len(record.epochs)) for record in pruned),
        usual_cut=usual,
        foresight=_foresight(history, pairs),
        winner_rank=1 + sum(loss < pairs[0][0] for loss, _ in pairs) if pairs and pairs[0][1] == 0 else None,
        compared=len(pairs),
    )


def _left(record: TrialRecord) -> int:
    return max(0, record.config.training.epochs - len(record.epochs))


def _best_until(history: History, record: TrialRecord, epoch: int) -> float | None:
    """Return the best objective up to `epoch`, negated if higher is better; None if the trial trained fewer epochs."""
    if len(record.epochs) < epoch:
        return None
    return min(history.loss(metrics.value(history.objective)) for metrics in record.epochs[:epoch])


def _foresight(history: History, pairs: Sequence[tuple[float, int]]) -> float | None:
    if len(pairs) < FEWEST:
        return None
    early = [loss for loss, _ in pairs]
    final = [history.loss(value_of(history.ranked[place])) for _, place in pairs]
    if len(set(early)) == 1 or len(set(final)) == 1:  # the correlation of a constant is undefined
        return None
    return float(spearmanr(early, final).statistic)


@dataclass(frozen=True)
class AuditedTrial:
    """A complete trial that the pruner would have stopped.

    Attributes:
        cut: the epoch after which the pruner would have stopped the trial.
        at_cut: the best objective up to that epoch; None if there is no such epoch in the record.
        value: the final objective.
        rank: rank of the trial among the complete trials, 1 for the best.
    """

    number: int
    cut: int
    at_cut: float | None
    value: float
    rank: int


@dataclass(frozen=True)
class Audit:
    """What pruning may have cost.

    Seed and trial number alone decide which trials are audited. So the audited trials are a fair sample of all trials
    that the pruner would stop, and their share of top trials is an estimate for the pruned trials.

    Attributes:
        trials: the audited trials, best first.
        reached_top: number of audited trials that are among the `TOP` best trials.
        share: `reached_top` as a share of all audited trials, with its 95 % interval; None without audited trials.
        lost: `share` times the number of pruned trials: an estimate of how many of them would have reached the top.
        suggested_warmup: the smallest `warmup_epochs` that would have kept all audited trials that reached the top;
            None if no trial did.
    """

    trials: tuple[AuditedTrial, ...]
    reached_top: int
    share: Interval | None
    lost: Interval | None
    suggested_warmup: int | None


def audit(history: History) -> Audit:
    """Estimate from the audited trials what pruning cost."""
    trials = tuple(
        _audited(history, record, place)
        for place, record in enumerate(history.ranked, start=1)
        if record.audited_at is not None
    )
    mistakes = [trial for trial in trials if trial.rank <= TOP]
    share = wilson(len(mistakes), len(trials)) if trials else None
    pruned = len(history.of("pruned"))
    return Audit(
        trials=trials,
        reached_top=len(mistakes),
        share=share,
        lost=Interval(*(bound * pruned for bound in share)) if share else None,
        suggested_warmup=1 + max(trial.cut for trial in mistakes) if mistakes else None,
    )


def _audited(history: History, record: TrialRecord, rank: int) -> AuditedTrial:
    cut = record.audited_at or 0
    early = [metrics.value(history.objective) for metrics in record.epochs[:cut]]
    at_cut = (max if history.maximize else min)(early) if early else None
    return AuditedTrial(record.number, cut, at_cut, value_of(record), rank)
