"""The images that a search may use: a training set and a validation set."""

from __future__ import annotations

from dataclasses import dataclass

from sweep.records.array_types import IntArray, Shape, UInt8Array
from sweep.records.image_facts import DataStamp, ImageFacts


@dataclass(frozen=True, eq=False)
class Part:
    """A subset of an array of images.

    Attributes:
        images: uint8 (N, h, w, c), usually a read-only memory map of the whole cached training set.
        index: int64 (n,), ascending positions of this part's images in `images`.
        labels: int64 (n,), labels of this part's images.
    """

    images: UInt8Array
    index: IntArray
    labels: IntArray

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, positions: IntArray) -> UInt8Array:
        """The images at `positions` (0..n-1 within this part), uint8 (len(positions), h, w, c), as a copy."""
        return self.images[self.index[positions]]

    def all_images(self) -> UInt8Array:
        """All images of this part, uint8 (n, h, w, c), as a copy in memory."""
        return self.images[self.index]


@dataclass(frozen=True, eq=False)
class Dataset:
    """The images that a trial trains and validates with, without the sealed test set.

    Attributes:
        classes: names of the classes, in the order of the labels.
        shape: height, width, channels.
        channel_mean, channel_std: mean and deviation per channel of the training images only, on the scale 0..1.
    """

    train: Part
    validation: Part
    classes: tuple[str, ...]
    shape: Shape
    stamp: DataStamp
    channel_mean: tuple[float, ...]
    channel_std: tuple[float, ...]

    @property
    def facts(self) -> ImageFacts:
        """The facts that model builders need."""
        return ImageFacts(self.shape, len(self.classes), self.channel_mean, self.channel_std)
