"""What pruning may have cost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sweep.analysis.history import History
from sweep.analysis.pruning_audit import audit
from sweep.analysis.report_findings import collect_findings
from sweep.reporting.sections_cost import pruning_section
from sweep.study.importance import importances
from tests.analysis.histories import IMAGES, complete, history, make_space, pruned
from tests.fakes import make_record

FINISHED = [complete(number, 0.5 + number / 100) for number in range(6)]
GOOD = make_record(8, (0.1, 0.2, 0.15, 0.9), audited_at=2, data=IMAGES)
POOR = make_record(9, (0.1, 0.1, 0.1, 0.2), audited_at=1, data=IMAGES)
CUT = [pruned(number, 0.1) for number in (10, 11, 12, 13)]


def told(found: History) -> tuple[str, ...]:
    """What the report says of pruning."""
    findings = collect_findings(found, importances(found.space, found.records), "demo-2")
    return pruning_section(found, findings).answer


def test_an_audited_trial_among_the_best_five_counts_against_the_pruner() -> None:
    found = audit(history(*FINISHED, GOOD, POOR, *CUT))
    assert [(t.number, t.cut, t.at_cut, t.value, t.rank) for t in found.trials] == [
        (8, 2, 0.2, 0.9, 1),
        (9, 1, 0.1, 0.2, 8),
    ]
    assert (found.reached_top, found.suggested_warmup) == (1, 3)
    assert found.share == pytest.approx((0.5, 0.0945, 0.9055), abs=1e-4)
    assert found.lost == pytest.approx((2.0, 0.378, 3.622), abs=1e-3)


def test_trials_that_did_not_finish_are_no_evidence() -> None:
    found = audit(history(*FINISHED, replace(GOOD, state="interrupted"), *CUT))
    assert (found.trials, found.share, found.lost, found.suggested_warmup) == ((), None, None, None)


def test_the_report_says_what_pruning_cost_with_an_interval_and_suggests_a_warm_up() -> None:
    assert told(history(*FINISHED, GOOD, POOR, *CUT))[2:5] == (
        "Audit: of 2 trials that it would have cut and that ran on, 1 reached the top 5 "
        "(50 %, 95 % interval 9 to 91 %).",
        "So of the 4 trials that it did cut, about 2 (0 to 4) would have been as good as the top 5 are.",
        "Suggested: warmup_epochs: 3, which is past every cut that would have been a mistake.",
    )


def test_an_audit_without_a_mistake_suggests_nothing() -> None:
    assert told(history(*FINISHED, POOR, *CUT))[4] == "Nothing here speaks for a longer warm-up."


def test_without_an_audit_the_report_says_that_the_cost_is_unknown_and_how_to_know_it() -> None:
    assert told(history(*FINISHED, *CUT))[2] == (
        "Whether it cut a good trial is not known: with search.pruner.audit: 0.1 a tenth of such trials would run "
        "on and tell."
    )
    space = make_space()
    pruner = replace(space.search.pruner, audit=0.1)
    waiting = history(*FINISHED, *CUT, space=replace(space, search=replace(space.search, pruner=pruner)))
    assert told(waiting)[2] == (
        "Whether it cut a good trial is not known: no trial that was let run on for it has finished yet."
    )


def test_a_pruner_whose_every_cut_was_audited_has_cut_nothing_and_is_judged() -> None:
    answer = told(history(*FINISHED, GOOD, POOR))
    assert answer[0] == "It cut nothing: every trial that it would have ended was let run on."
    assert answer[-1].startswith("Suggested: warmup_epochs: 3")
