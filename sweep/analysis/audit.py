"""What pruning saved, and what it may have cost: read off the trials that were pruned or were let run on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

from sweep.study.records import TrialRecord
from sweep.study.study import ranked

TOP = 5


@dataclass(frozen=True)
class PruningAudit:
    """What is known of the pruning of a study.

    Attributes:
        pruned: trials that were ended early.
        epochs_saved: epochs that they did not train, of the most that a trial may.
        epochs_trained: of all trials.
        audited: trials that would have been pruned, ran on and finished.
        reached_top: how many of them are among the best five.
        share: of the audited that reached the top, with a 95 % Wilson interval (Wilson 1927); None without any.
        suggested_warmup: warm-up under which none of those would have been pruned; None where there is none.
    """

    pruned: int
    epochs_saved: int
    epochs_trained: int
    audited: int
    reached_top: int
    share: tuple[float, float, float] | None
    suggested_warmup: int | None


def pruning_audit(records: Sequence[TrialRecord]) -> PruningAudit:
    """Judge a study's pruning from its records."""
    pruned = [record for record in records if record.state == "pruned"]
    best = {record.number for record in ranked(records)[:TOP]}
    audited = [record for record in records if record.audited_at is not None and record.state == "complete"]
    wrongly = [record.audited_at or 0 for record in audited if record.number in best]
    return PruningAudit(
        pruned=len(pruned),
        epochs_saved=sum(record.config.training.epochs - len(record.epochs) for record in pruned),
        epochs_trained=sum(len(record.epochs) for record in records),
        audited=len(audited),
        reached_top=len(wrongly),
        share=wilson(len(wrongly), len(audited)),
        suggested_warmup=max(wrongly) + 1 if wrongly else None,
    )


def wilson(count: int, total: int) -> tuple[float, float, float] | None:
    """A share with its 95 % Wilson score interval: (share, low, high); None of nothing."""
    if total == 0:
        return None
    interval = binomtest(count, total).proportion_ci(0.95, method="wilson")
    return count / total, float(interval.low), float(interval.high)


def audit_sentences(audit: PruningAudit) -> list[str]:
    """The same in words."""
    if not audit.pruned and not audit.audited:
        return ["No trial was pruned."]
    whole = audit.epochs_saved + audit.epochs_trained
    trials = "1 trial was" if audit.pruned == 1 else f"{audit.pruned} trials were"
    told = [f"{trials} pruned, which saved {audit.epochs_saved} of {whole} epochs."]
    if audit.share is None:
        return [
            *told,
            "What it cost is not known: with `search.pruner.audit: 0.1` a tenth of such trials would run on.",
        ]
    share, low, high = audit.share
    told.append(
        f"Of {audit.audited} trials that would have been pruned and ran on, {audit.reached_top} reached the best {TOP} "
        f"({share:.0%}, 95 % interval {low:.0%} to {high:.0%})."
    )
    if audit.suggested_warmup is not None:
        told.append(f"With `warmup_epochs: {audit.suggested_warmup}` none of them would have been pruned.")
    return told
