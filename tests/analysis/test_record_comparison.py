from __future__ import annotations

from dataclasses import replace

import pytest

from sweep.analysis.record_comparison import Comparison, DuplicateModels, compare_with_record, environment_differences
from sweep.records.trial_result import EpochMetrics
from tests.fakes import make_record, metrics

EPOCHS = (metrics(1, 0.25), metrics(2, 0.5), metrics(3, 0.75))
SAME = ("a" * 64, "a" * 64)


def rerun(again: tuple[EpochMetrics, ...], digests: tuple[str | None, str | None] = SAME) -> Comparison:
    return compare_with_record(EPOCHS, again, digests, ({}, {}), tolerance=0.01)


def changed(epoch: int, **values: float) -> tuple[EpochMetrics, ...]:
    return tuple(replace(e, **values) if e.epoch == epoch else e for e in EPOCHS)  # type: ignore[arg-type]


def test_equal_epochs_and_weights_are_exact() -> None:
    comparison = rerun(EPOCHS)
    assert comparison == Comparison("EXACT", 0.0, True, ())
    assert comparison.holds


def test_the_time_that_an_epoch_took_does_not_count() -> None:
    assert rerun(changed(2, seconds=99.0)).verdict == "EXACT"


def test_equal_epochs_with_other_weights_are_not_exact() -> None:
    assert rerun(EPOCHS, ("a" * 64, "b" * 64)) == Comparison("WITHIN 0", 0.0, False, ())


@pytest.mark.parametrize("digests", [(None, None), ("a" * 64, None), (None, "a" * 64)])
def test_without_two_digests_only_the_epochs_are_compared(digests: tuple[str | None, str | None]) -> None:
    assert rerun(EPOCHS, digests) == Comparison("EXACT", 0.0, None, ())


@pytest.mark.parametrize("name", ["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"])
def test_a_small_difference_of_any_metric_is_within(name: str) -> None:
    comparison = rerun(changed(2, **{name: getattr(EPOCHS[1], name) + 0.0078125}))
    assert (comparison.verdict, comparison.holds) == ("WITHIN 0.00781", True)
    assert comparison.largest == pytest.approx(0.0078125, abs=1e-12)


@pytest.mark.parametrize(
    ("causes", "verdict"),
    [(("bug", "bug"), "EXACT"), (("bug", "data"), "DIVERGED at epoch 1"), (("bug", ""), "DIVERGED at epoch 1")],
)
def test_trials_without_epochs_are_equal_if_they_failed_with_the_same_cause(
    causes: tuple[str, str], verdict: str
) -> None:
    assert compare_with_record((), (), (None, None), ({}, {}), 0.01, causes).verdict == verdict


@pytest.mark.parametrize(
    ("causes", "verdict"),
    [(("nan", "nan"), "EXACT"), (("bug", ""), "EXACT"), (("", "bug"), "DIVERGED at epoch 4")],
)
def test_after_the_same_epochs_only_a_new_failure_counts(causes: tuple[str, str], verdict: str) -> None:
    assert compare_with_record(EPOCHS, EPOCHS, (None, None), ({}, {}), 0.01, causes).verdict == verdict


def test_a_difference_equal_to_the_tolerance_is_within() -> None:
    again = changed(1, val_accuracy=0.5)
    assert compare_with_record(EPOCHS, again, SAME, ({}, {}), tolerance=0.25).verdict == "WITHIN 0.25"


def test_a_run_diverges_at_the_first_epoch_beyond_the_tolerance() -> None:
    again = (EPOCHS[0], metrics(2, 0.25), metrics(3, 0.0))
    comparison = rerun(again, ("a" * 64, "b" * 64))
    assert comparison == Comparison("DIVERGED at epoch 2", 0.75, False, ())
    assert not comparison.holds


def test_a_tolerance_of_zero_admits_no_difference() -> None:
    again = changed(3, val_loss=1.0 + 2**-40)
    assert compare_with_record(EPOCHS, again, SAME, ({}, {}), tolerance=0.0).verdict == "DIVERGED at epoch 3"


def test_a_shorter_or_longer_run_diverges_at_the_first_epoch_that_only_one_has() -> None:
    assert rerun(EPOCHS[:2]) == Comparison("DIVERGED at epoch 3", None, True, ())
    assert rerun((*EPOCHS, metrics(4))).verdict == "DIVERGED at epoch 4"
    assert rerun(()).verdict == "DIVERGED at epoch 1"


def test_a_difference_comes_before_a_missing_epoch() -> None:
    assert rerun((metrics(1, 0.9),)).verdict == "DIVERGED at epoch 1"


def test_two_runs_that_failed_before_their_first_epoch_are_exact() -> None:
    assert compare_with_record((), (), (None, None), ({}, {}), 0.01) == Comparison("EXACT", 0.0, None, ())


def test_differences_of_the_environment_are_named_in_order() -> None:
    old = {"version.keras": "3.14", "cpu": "A", "same": "x"}
    new = {"version.keras": "3.15", "git_commit": "abc", "same": "x"}
    assert environment_differences(old, new) == (
        "cpu: A -> <absent>",
        "git_commit: <absent> -> abc",
        "version.keras: 3.14 -> 3.15",
    )
    assert compare_with_record(EPOCHS, EPOCHS, SAME, (old, new), 0.0).environment == environment_differences(old, new)


def test_a_trial_with_other_values_and_the_same_model_is_flagged() -> None:
    first = make_record(0, (0.5,), values={"a": 1}, model_digest="d" * 64)
    duplicates = DuplicateModels([first])

    assert duplicates.flagged(make_record(1, (0.5,), values={"a": 2}, model_digest="d" * 64)).same_model_as == 0
    assert duplicates.flagged(make_record(2, (0.5,), values={"a": 3}, model_digest="e" * 64)).same_model_as is None


def test_equal_values_and_unknown_models_are_not_duplicates() -> None:
    duplicates = DuplicateModels(
        [make_record(0, (0.5,), values={"a": 1}, model_digest="d" * 64), make_record(1, (0.5,))]
    )

    assert duplicates.flagged(make_record(2, (0.5,), values={"a": 1}, model_digest="d" * 64)).same_model_as is None
    assert duplicates.flagged(make_record(3, (0.5,), values={"a": 2}, model_digest=None)).same_model_as is None
