"""Facts about a set of images, as plain values: which images a trial used, and what model builders need."""

from __future__ import annotations

import dataclasses

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class DataStamp:
    """The images that a trial used.

    Attributes:
        digest: SHA-256 over the decoded training set before the validation images are split off: see `Prepared`.
        split: SHA-256 over the positions and labels of the training and the validation images.
        train, validation: number of training images and of validation images.
        shape: height, width, channels.
        classes: names, in the order of the model's outputs.
        skipped: number of unreadable files that were left out, including those of the test set.
    """

    digest: str
    split: str
    train: int
    validation: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    skipped: int = 0


@dataclasses.dataclass(frozen=True)
class ImageFacts:
    """The facts about the images that model builders need.

    Attributes:
        shape: height, width, channels.
        classes: number of classes.
        channel_mean, channel_std: mean and standard deviation per channel of the training images, on the scale 0..1.
    """

    shape: tuple[int, int, int]
    classes: int
    channel_mean: tuple[float, ...]
    channel_std: tuple[float, ...]
