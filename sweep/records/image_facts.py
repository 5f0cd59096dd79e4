"""What is known of a set of images, as plain values: which ones a trial saw, and what a builder needs of them."""

from __future__ import annotations

import dataclasses

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


@dataclasses.dataclass(frozen=True)
class ImageFacts:
    """What a builder must know of the images.

    Attributes:
        shape: height, width, channels.
        classes: how many.
        channel_mean, channel_std: of the training images, on the 0..1 scale, one number per channel.
    """

    shape: tuple[int, int, int]
    classes: int
    channel_mean: tuple[float, ...]
    channel_std: tuple[float, ...]
