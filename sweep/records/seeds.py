"""Seeds derived from other numbers. Each purpose has its own stream, so no two purposes draw the same numbers."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """The purpose of a stream of random numbers. If a value changes, earlier trials can no longer be reproduced."""

    WEIGHTS = 1
    ORDER = 2
    GENERATORS = 3
    TRIAL = 4
    SAMPLER = 5
    AUDIT = 6
    REPEAT = 20
    RESPLIT = 21
    FOLDS = 22
    REFIT = 23
    BOOTSTRAP = 24


def derive(*entropy: int) -> int:
    """Derive a 31-bit seed from several numbers (numpy.random.SeedSequence)."""
    return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)
