"""Findings about a trial's curves, in words and numbers, computed only from its epochs.

The thresholds are conventions, each with its reason, chosen so that the findings report what an experienced user sees
in the curves, and nothing in doubtful cases. Training metrics are means over an epoch with dropout and augmentation,
so the real gap between training and validation is larger than the visible gap.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sweep.records.trial_result import EpochMetrics

CurveProblem = Literal["dead start", "rate too high", "over-fitting", "under-fitting"]

DEAD_EPOCHS = 3
"""Minimum epochs at chance level for a dead start; one or two are usual with a small learning rate or a warm-up."""
DEAD_ERRORS = 2.0
"""An accuracy up to this many standard errors above 1/classes is chance level; 98 % of guessing models are below."""
DEAD_LOSS = 0.99
"""A model whose loss is above this share of ln(classes), the loss of a uniform guess, has learned nothing."""

RISE = 0.05
"""A larger relative rise of the training loss from epoch to epoch is not chance: means over many images vary less."""
RISES = 1 / 3
"""If at least this share of the epochs has a rise above `RISE`, the learning rate is too high; fewer may be chance."""

GAP = 0.1
"""A larger gap between training and validation accuracy is over-fitting; with 100 images, chance causes less."""
VAL_RISE = 0.1
"""A larger relative rise of the validation loss above its minimum, while the training loss falls, is over-fitting."""
SINCE = 2
"""A rise above `VAL_RISE` counts only this many epochs or more after the minimum: one epoch's rise may be chance."""

CLOSE = 0.02
"""Maximum gap between training and validation accuracy of a model that under-fits."""
ENOUGH = 0.95
"""A training accuracy above this value is never under-fitting."""
STILL_FALLING = 0.05
"""If the training loss fell by more than this share in the last quarter of the epochs, more epochs may help."""
LEAST = 4
"""Minimum number of epochs that can show a trend."""


@dataclass(frozen=True)
class CurveFinding:
    """A finding about a trial's curves.

    Attributes:
        kind: the usual name of the problem.
        words: a sentence with the numbers and the advice.
    """

    kind: CurveProblem
    words: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.words}"


def judge_curves(epochs: Sequence[EpochMetrics], classes: int, images: int) -> tuple[CurveFinding, ...]:
    """Judge the curves of a trial.

    Args:
        epochs: the finished epochs, in order.
        classes: number of classes.
        images: number of validation images, which determines the noise of an accuracy.

    Returns:
        At most one finding of each kind; none if nothing stands out or there are too few epochs.
    """
    found = [_dead_start(epochs, classes, images)]
    if len(epochs) >= LEAST:
        found.append(_rate_too_high(epochs))
        if not any(found):
            found.append(_over_fitting(epochs) or _under_fitting(epochs))
    return tuple(finding for finding in found if finding is not None)


def guessing_limit(classes: int, images: int) -> float:
    """The highest accuracy on `images` images that counts as guessing: about 98 % of guessing models are below it."""
    chance = 1 / classes
    return chance + DEAD_ERRORS * math.sqrt(chance * (1 - chance) / max(images, 1))


def _dead_start(epochs: Sequence[EpochMetrics], classes: int, images: int) -> CurveFinding | None:
    chance, uniform = 1 / classes, math.log(classes)
    limit = guessing_limit(classes, images)
    dead = list(
        itertools.takewhile(
            lambda e: max(e.accuracy, e.val_accuracy) <= limit and e.loss >= DEAD_LOSS * uniform, epochs
        )
    )
    if classes < 2 or len(dead) < DEAD_EPOCHS:
        return None
    last = dead[-1]
    span = f"all {len(dead)} epochs" if len(dead) == len(epochs) else f"the first {len(dead)} epochs"
    return CurveFinding(
        "dead start",
        f"no better than guessing in {span}: accuracy {last.accuracy:.3f} (chance: "
        f"{chance:.3f}), loss {last.loss:.3f} (uniform guess: ln({classes}) = {uniform:.3f}); try another learning "
        f"rate (it was {last.learning_rate:.3g}) or initializer, or batch normalization",
    )


def _rate_too_high(epochs: Sequence[EpochMetrics]) -> CurveFinding | None:
    rises = [later for earlier, later in itertools.pairwise(epochs) if later.loss > (1 + RISE) * earlier.loss]
    if len(rises) < RISES * (len(epochs) - 1) and epochs[-1].loss <= (1 + RISE) * epochs[0].loss:
        return None
    first, last, worst = epochs[0], epochs[-1], max(epochs, key=lambda e: e.loss)
    return CurveFinding(
        "rate too high",
        f"the training loss rose by more than {RISE:.0%} after {len(rises)} of {len(epochs) - 1} epochs, from "
        f"{first.loss:.3f} in epoch 1 to {worst.loss:.3f} in epoch {worst.epoch} and {last.loss:.3f} at the end; try a "
        f"lower learning rate (it was {worst.learning_rate:.3g} in epoch {worst.epoch}), warm-up or gradient clipping",
    )


def _over_fitting(epochs: Sequence[EpochMetrics]) -> CurveFinding | None:
    last, lowest = epochs[-1], min(epochs, key=lambda e: e.val_loss)
    gap = last.accuracy - last.val_accuracy
    since = last.epoch - lowest.epoch
    risen = since >= SINCE and last.val_loss > (1 + VAL_RISE) * lowest.val_loss and last.loss < lowest.loss
    if gap <= GAP and not risen:
        return None
    course = (
        f"; validation loss rose from {lowest.val_loss:.3f} in epoch {lowest.epoch} to {last.val_loss:.3f} while the "
        f"training loss fell from {lowest.loss:.3f} to {last.loss:.3f}"
    )
    return CurveFinding(
        "over-fitting",
        f"accuracy {last.accuracy:.3f} in training, {last.val_accuracy:.3f} in validation after epoch {last.epoch}"
        f"{course if risen else ''}; try more augmentation, dropout or weight decay, or a smaller model",
    )


def _under_fitting(epochs: Sequence[EpochMetrics]) -> CurveFinding | None:
    last = epochs[-1]
    before = epochs[-1 - max(1, len(epochs) // 4)]
    fall = 1 - last.loss / before.loss if before.loss > 0 else 0.0
    if last.accuracy > min(ENOUGH, last.val_accuracy + CLOSE):
        return None
    course = (
        f"the loss still fell by {fall:.0%} after epoch {before.epoch}; try more epochs"
        if fall > STILL_FALLING
        else f"the loss fell by only {max(fall, 0):.0%} after epoch {before.epoch}; try a larger model, less "
        "regularization, or a higher learning rate"
    )
    return CurveFinding(
        "under-fitting",
        f"accuracy only {last.accuracy:.3f} in training, {last.val_accuracy:.3f} in validation, and {course}",
    )
