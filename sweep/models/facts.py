"""What a builder must know of the images; plain values, so that any process can make them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
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
