from __future__ import annotations

import keras

from sweep.models.model_digest import _plain
from sweep.models.optimizer import RateSchedule
from sweep.models.preprocessing import RandomMirror
from sweep.space.config import TrainingConfig


def test_a_digest_has_the_names_that_our_modules_had_in_the_first_records() -> None:
    parts = (RandomMirror("horizontal", 0.5, 1), RateSchedule(TrainingConfig(schedule="cosine"), 10))
    described = [keras.saving.serialize_keras_object(part) for part in parts]
    assert [_plain(text, {})["module"] for text in described] == ["sweep.models.common", "sweep.models.schedule"]
