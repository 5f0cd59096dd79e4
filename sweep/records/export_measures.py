"""What is measured of an exported model, as plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Latency:
    """Time of a call in milliseconds: median and 95th percentile."""

    median: float
    p95: float


@dataclass(frozen=True)
class Measured:
    """An exported model against the Keras model, on the validation images.

    Attributes:
        difference: largest absolute difference of any output.
        agreement: share of images with the same class.
        accuracy: share of images with the true class.
        images: that were compared.
        single, batch: latency of one image, and of `batch_size` images.
    """

    difference: float
    agreement: float
    accuracy: float
    images: int
    single: Latency
    batch: Latency
    batch_size: int
