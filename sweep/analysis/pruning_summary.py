"""When pruning cut, what it saved, and how well the cut foresees the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import spearmanr

from sweep.analysis.history import History, fit_seconds, value_of
from sweep.records.trial_record import TrialRecord

FEWEST = 5
"""Complete trials that a rank correlation needs to say anything."""


@dataclass(frozen=True)
class PruningSummary:
    """What pruning did.

    Attributes:
        cuts: pruned trials by the epoch of the cut.
        trained: epochs of all complete and pruned trials.
        saved: epochs that pruned trials had left to their limit.
        stopped_early: epochs that early stopping left out, which is no doing of the pruner.
        saved_seconds: the saved epochs at each trial's own pace.
        usual_cut: the epoch with the most cuts.
        foresight: Spearman's rank correlation, over complete trials, of the best value until the usual cut with the
            final one; 1: the cut sees the end, 0: it guesses. None with too few trials.
        winner_rank: place of the winner among the complete trials at the usual cut.
        compared: complete trials behind the last two.
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
        """Of the epochs that the trials would have had without pruning."""
        return self.saved / (self.trained + self.saved) if self.saved else 0.0


def summarize_pruning(history: History) -> PruningSummary:
    """Look at every cut."""
    pruned = history.of("pruned")
    complete = history.of("complete")
    cuts = Counter(len(record.epochs) for record in pruned)
    usual = min(cuts, key=lambda epoch: (-cuts[epoch], epoch)) if cuts else None
    early = [best_until(history, record, usual) for record in history.ranked] if usual else []
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


def best_until(history: History, record: TrialRecord, epoch: int) -> float | None:
    """The best objective of the first epochs, turned so that less is better; None for a trial that has fewer."""
    if len(record.epochs) < epoch or epoch < 1:
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
