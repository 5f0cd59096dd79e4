from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from sweep.pictures.learning_curves import draw_curves, rate_drops
from sweep.records.trial_record import TrialRecord

MakeRecord = Callable[..., TrialRecord]


def test_a_drop_is_the_first_epoch_with_the_lower_rate(make_record: MakeRecord) -> None:
    assert rate_drops(make_record(epochs=4).epochs) == [(3, 0.0005)]
    assert rate_drops(make_record(epochs=2).epochs) == []


@pytest.mark.parametrize("epochs", [1, 4])
def test_the_picture_is_a_png_of_one_fixed_size_and_equal_records_give_equal_bytes(
    make_record: MakeRecord, tmp_path: Path, epochs: int
) -> None:
    record = make_record(7, "complete", epochs=epochs)
    for name in ("a.png", "b.png"):
        draw_curves(record, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert (image.format, image.size) == ("PNG", (900, 390))


def test_a_trial_without_epochs_has_no_picture(make_record: MakeRecord, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="trial 7 has no epoch to draw"):
        draw_curves(make_record(7), tmp_path / "a.png")
