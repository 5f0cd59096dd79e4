"""What is done with a pruner's word: pure decisions around Optuna's."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from sweep.records.seeds import Purpose, derive
from sweep.records.trial_result import EpochMetrics
from sweep.space.config import PrunerConfig


def may_prune(config: PrunerConfig, epochs: Sequence[EpochMetrics], limit: int) -> bool:
    """Whether a trial may be ended after its newest epoch, if the pruner says so.

    Not after its last epoch, where there is nothing left to save; and not within `grace_after_drop` epochs after the
    learning rate was reduced, when the loss often falls once more.

    Args:
        config: of the pruner.
        epochs: finished so far, at least one.
        limit: the most that a trial trains.
    """
    if epochs[-1].epoch >= limit:
        return False
    recent = epochs[-1 - config.grace_after_drop :]
    return not any(later.learning_rate < earlier.learning_rate for earlier, later in itertools.pairwise(recent))


def is_audited(config: PrunerConfig, study_seed: int, number: int) -> bool:
    """Whether this trial runs on when the pruner would end it; decided by seed and number alone."""
    return derive(study_seed, Purpose.AUDIT, number) < config.audit * 2**31
