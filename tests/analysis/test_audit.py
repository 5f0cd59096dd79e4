from __future__ import annotations

import pytest

from sweep.analysis.audit import audit_sentences, pruning_audit, wilson
from tests.study.fakes import make_record

FINISHED = [make_record(number, (0.5, 0.5, 0.5, 0.5 + number / 100)) for number in range(6)]


def test_epochs_saved_are_those_that_pruned_trials_did_not_train() -> None:
    audit = pruning_audit(
        [*FINISHED, make_record(6, (0.1,), state="pruned"), make_record(7, (0.1, 0.1), state="pruned")]
    )

    assert (audit.pruned, audit.epochs_saved, audit.epochs_trained) == (2, 5, 27)
    assert (audit.audited, audit.share, audit.suggested_warmup) == (0, None, None)


def test_an_audited_trial_among_the_best_five_counts_against_the_pruner() -> None:
    good = make_record(8, (0.1, 0.1, 0.1, 0.9), audited_at=2)
    poor = make_record(9, (0.1, 0.1, 0.1, 0.2), audited_at=1)

    audit = pruning_audit([*FINISHED, good, poor])

    assert (audit.audited, audit.reached_top, audit.suggested_warmup) == (2, 1, 3)
    assert audit.share == pytest.approx((0.5, 0.0945, 0.9055), abs=1e-4)


def test_wilsons_interval_stays_within_nothing_and_all() -> None:
    assert wilson(0, 0) is None
    assert wilson(0, 10) == pytest.approx((0.0, 0.0, 0.2775), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((1.0, 0.7225, 1.0), abs=1e-4)


def test_the_audit_is_told_in_sentences() -> None:
    assert audit_sentences(pruning_audit(FINISHED)) == ["No trial was pruned."]
    good = make_record(8, (0.1, 0.1, 0.1, 0.9), audited_at=2)
    assert audit_sentences(pruning_audit([*FINISHED, good, make_record(9, (0.1,), state="pruned")])) == [
        "1 trial was pruned, which saved 3 of 32 epochs.",
        "Of 1 trials that would have been pruned and ran on, 1 reached the best 5 (100%, 95 % interval 21% to 100%).",
        "With `warmup_epochs: 3` none of them would have been pruned.",
    ]
