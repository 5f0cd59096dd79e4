"""Which images a trial saw, as plain values that fit into its record."""

from __future__ import annotations

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class DataStamp:
    """Which images a trial saw.

    Attributes:
        digest: sha256 over the decoded training part: pixels, labels, class names.
        split: sha256 over the positions and labels of the training and the validation images.
        train, validation: number of images.
        shape: height, width, channels.
        classes: names, in the order of the model's outputs.
        skipped: number of unreadable files that were left out, those of the test part included.
    """

    digest: str
    split: str
    train: int
    validation: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    skipped: int = 0
