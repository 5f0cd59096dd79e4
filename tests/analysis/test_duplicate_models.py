from __future__ import annotations

from sweep.analysis.duplicate_models import DuplicateModels
from tests.fakes import make_record


def test_a_trial_with_other_values_and_the_same_model_is_flagged() -> None:
    first = make_record(0, (0.5,), values={"a": 1}, model_digest="d" * 64)
    duplicates = DuplicateModels([first])

    assert duplicates.flagged(make_record(1, (0.5,), values={"a": 2}, model_digest="d" * 64)).same_model_as == 0
    assert duplicates.flagged(make_record(2, (0.5,), values={"a": 3}, model_digest="e" * 64)).same_model_as is None


def test_the_same_values_again_and_an_unknown_model_are_no_duplicates() -> None:
    duplicates = DuplicateModels(
        [make_record(0, (0.5,), values={"a": 1}, model_digest="d" * 64), make_record(1, (0.5,))]
    )

    assert duplicates.flagged(make_record(2, (0.5,), values={"a": 1}, model_digest="d" * 64)).same_model_as is None
    assert duplicates.flagged(make_record(3, (0.5,), values={"a": 2}, model_digest=None)).same_model_as is None
