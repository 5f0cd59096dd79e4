"""What a trial's curves say, in words and with the numbers behind them: a pure function of its epochs.

The thresholds are conventions, each with its reason; they are meant to name what a practised eye sees in the curves,
and to say nothing where it would hesitate. Training figures are means over an epoch with dropout and augmentation on,
so a gap to validation is rather larger than it looks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from sweep.records.trial_result import EpochMetrics

CurveProblem = Literal["dead start", "rate too high", "over-fitting", "under-fitting"]

DEAD_EPOCHS = 3
"""So many epochs at chance level are a dead start; one or two happen with a small rate or a warm-up."""
DEAD_ERRORS = 2.0
"""Chance level reaches so many standard errors above 1/classes: about 95 % of what guessing gives."""
DEAD_LOSS = 0.99
"""A loss above this share of ln(classes), that of a uniform guess, has learned nothing."""

RISE = 0.05
"""A training loss that rises by more from one epoch to the next: means over thousands of images fluctuate less."""
RISES = 1 / 3
"""Share of the epochs with such a rise that is an oscillation and not an accident."""

GAP = 0.1
"""Training accuracy above validation by more than this is memory: ten points are beyond the noise of 100 images up."""
VAL_RISE = 0.1
"""Validation loss above its minimum by this share, while the training loss went on falling."""
SINCE = 2
"""Epochs after that minimum: a rise in a single one is as likely chance."""

CLOSE = 0.02
"""Training accuracy at most this much above validation: nothing has been memorized."""
ENOUGH = 0.95
"""A training accuracy from here on is not called too low."""
STILL_FALLING = 0.05
"""Fall of the training loss over the last quarter of the epochs that more epochs would most likely continue."""
LEAST = 4
"""Fewer epochs show no course."""


@dataclass(frozen=True)
class CurveFinding:
    """One finding.

    Attributes:
        kind: in the field's words.
        words: a sentence with the numbers, and what may help.
    """

    kind: CurveProblem
    words: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.words}"


def judge_curves(epochs: Sequence[EpochMetrics], classes: int, images: int) -> tuple[CurveFinding, ...]:
    """What the curves of a trial say.

    Args:
        epochs: finished, in order.
        classes: how many there are.
        images: of the validation part, for the noise of an accuracy.

    Returns:
        At most one finding of each kind; none where nothing stands out or there are too few epochs.
    """
    found = [*_dead_start(epochs, classes, images), *_rate_too_high(epochs)]
    fitting = [] if found else [*_over_fitting(epochs)] or [*_under_fitting(epochs)]
    return (*found, *fitting)


def guessing_limit(classes: int, images: int) -> float:
    """The accuracy on so many images up to which a model may be guessing: 95 % of what guessing gives lies below."""
    chance = 1 / classes
    return chance + DEAD_ERRORS * math.sqrt(chance * (1 - chance) / max(images, 1))


def _dead_start(epochs: Sequence[EpochMetrics], classes: int, images: int) -> Iterator[CurveFinding]:
    chance, uniform = 1 / classes, math.log(classes)
    limit = guessing_limit(classes, images)
    dead = [
        *itertools.takewhile(
            lambda e: max(e.accuracy, e.val_accuracy) <= limit and e.loss >= DEAD_LOSS * uniform, epochs
        )
    ]
    if classes < 2 or len(dead) < DEAD_EPOCHS:
        return
    last = dead[-1]
    after = "and to the end" if len(dead) == len(epochs) else f"until epoch {len(dead) + 1}"
    yield CurveFinding(
        "dead start",
        f"no better than guessing in the first {len(dead)} epochs {after}: accuracy {last.accuracy:.3f}, of chance "
        f"{chance:.3f}; loss {last.loss:.3f}, of a uniform guess ln({classes}) = {uniform:.3f}; another learning rate "
        f"(it was {last.learning_rate:.3g}) or initializer, or batch normalization",
    )


def _rate_too_high(epochs: Sequence[EpochMetrics]) -> Iterator[CurveFinding]:
    if len(epochs) < LEAST:
        return
    rises = [later for earlier, later in itertools.pairwise(epochs) if later.loss > (1 + RISE) * earlier.loss]
    if len(rises) < RISES * (len(epochs) - 1) and epochs[-1].loss <= (1 + RISE) * epochs[0].loss:
        return
    first, last, worst = epochs[0], epochs[-1], max(epochs, key=lambda e: e.loss)
    yield CurveFinding(
        "rate too high",
        f"the training loss rose by more than {RISE:.0%} after {len(rises)} of {len(epochs) - 1} epochs, from "
        f"{first.loss:.3f} at first to {worst.loss:.3f} in epoch {worst.epoch} and {last.loss:.3f} at the end; a lower "
        f"learning rate (it was {worst.learning_rate:.3g} there), a warm-up, or gradient clipping",
    )


def _over_fitting(epochs: Sequence[EpochMetrics]) -> Iterator[CurveFinding]:
    if len(epochs) < LEAST:
        return
    last, lowest = epochs[-1], min(epochs, key=lambda e: e.val_loss)
    gap = last.accuracy - last.val_accuracy
    since = last.epoch - lowest.epoch
    risen = since >= SINCE and last.val_loss > (1 + VAL_RISE) * lowest.val_loss and last.loss < lowest.loss
    if gap <= GAP and not risen:
        return
    course = (
        f"; validation loss rose from {lowest.val_loss:.3f} in epoch {lowest.epoch} to {last.val_loss:.3f} while the "
        f"training loss fell from {lowest.loss:.3f} to {last.loss:.3f}"
        if risen
        else ""
    )
    yield CurveFinding(
        "over-fitting",
        f"accuracy {last.accuracy:.3f} in training, {last.val_accuracy:.3f} in validation after epoch {last.epoch}"
        f"{course}; more augmentation, dropout or weight decay, or a smaller model",
    )


def _under_fitting(epochs: Sequence[EpochMetrics]) -> Iterator[CurveFinding]:
    if len(epochs) < LEAST:
        return
    last = epochs[-1]
    before = epochs[-1 - max(1, len(epochs) // 4)]
    fall = 1 - last.loss / before.loss if before.loss > 0 else 0.0
    if last.accuracy > min(ENOUGH, last.val_accuracy + CLOSE):
        return
    course = (
        f"the loss still fell by {fall:.0%} since epoch {before.epoch}; more epochs"
        if fall > STILL_FALLING
        else f"the loss fell by no more than {max(fall, 0):.0%} since epoch {before.epoch}; a larger model, less "
        "regularization, or a higher learning rate"
    )
    yield CurveFinding(
        "under-fitting",
        f"accuracy in training is {last.accuracy:.3f}, hardly above {last.val_accuracy:.3f} in validation, and "
        f"{course}",
    )
