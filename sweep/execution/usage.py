"""How the workers spent their time."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass
class Usage:
    """What a run has used.

    Attributes:
        wall_seconds: from the first trial's start to the last one's end.
        fit_seconds: inside `fit`, summed over all trials, however they ended, without what earlier runs had done of
            them: the epochs that were finished, and what a trial of this run alone spent around them (tracing).
        images: trained on in these epochs, an image counting once in each.
        workers: how many trials ran at a time.
    """

    workers: int
    wall_seconds: float = 0.0
    fit_seconds: float = 0.0
    images: int = 0

    @property
    def fit_share(self) -> float:
        """Share of workers x wall time that was spent inside `fit`."""
        available = self.workers * self.wall_seconds
        return self.fit_seconds / available if available else 0.0

    @property
    def images_per_second(self) -> float:
        """Summed over the workers."""
        return self.images / self.wall_seconds if self.wall_seconds else 0.0
