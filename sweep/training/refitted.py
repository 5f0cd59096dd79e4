"""What the last training gives back. Apart from `refit`, because the supervisor must not import TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

from sweep.records.image_facts import DataStamp


@dataclass(frozen=True)
class Refitted:
    """A model that was trained on everything.

    Attributes:
        losses: training loss of each epoch.
        weights_digest: of the weights after the last epoch, which are those of the file.
    """

    data: DataStamp
    losses: tuple[float, ...]
    parameters: int
    weights_digest: str
    seconds: float
