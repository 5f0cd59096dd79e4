"""What pruning saved, and what it may have cost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sweep.analysis.history import History
from sweep.analysis.pruning_effects import audit, summarize_pruning
from sweep.analysis.report_findings import collect_findings
from sweep.reporting.sections_cost import pruning_section
from sweep.study.importance import importances
from tests.analysis.histories import IMAGES, complete, history, make_space, pruned, with_epochs
from tests.fakes import make_record


def test_pruning_saves_the_epochs_up_to_the_limit() -> None:
    found = summarize_pruning(history(pruned(0, 0.1), pruned(1, 0.1), pruned(2, 0.1, 0.2, 0.3), complete(3, 0.5)))
    assert found.cuts == {1: 2, 3: 1}
    assert (found.usual_cut, found.saved, found.stopped_early, found.trained) == (1, 7, 2, 7)
    assert found.saved_share == 0.5
    assert found.saved_seconds == 7.0  # each epoch of these trials took one second


def test_without_a_pruned_trial_nothing_is_saved() -> None:
    found = summarize_pruning(history(with_epochs(complete(0, 0.5), 2)))
    assert (found.saved, found.saved_share, found.usual_cut, found.foresight) == (0, 0.0, None, None)


def test_foresight_is_1_if_the_ranking_at_the_cut_is_the_final_one() -> None:
    trials = [complete(number, 0.1 * number) for number in range(1, 7)]
    found = summarize_pruning(history(pruned(0, 0.01), *trials))
    assert found.foresight == pytest.approx(1.0)
    assert (found.winner_rank, found.compared) == (1, 6)


def test_a_winner_that_starts_slowly_has_a_low_rank_at_the_cut() -> None:
    slow = make_record(1, (0.1, 0.9), data=IMAGES)
    found = summarize_pruning(history(pruned(0, 0.01), slow, complete(2, 0.8), complete(3, 0.7)))
    assert found.winner_rank == 3


def test_foresight_shares_ranks_among_equals_and_is_undefined_for_a_constant() -> None:
    def foresight(*early: float) -> float | None:
        trials = [make_record(n, (value, 0.5 + n / 10), data=IMAGES) for n, value in enumerate(early)]
        return summarize_pruning(history(pruned(9, 0.01), *trials)).foresight

    assert foresight(0.1, 0.2, 0.3, 0.4, 0.45) == pytest.approx(1.0)
    assert foresight(0.45, 0.4, 0.3, 0.2, 0.1) == pytest.approx(-1.0)
    assert foresight(0.1, 0.1, 0.2, 0.3, 0.4) == pytest.approx(0.9747, abs=1e-4)  # ranks 1.5, 1.5, 3, 4, 5
    assert foresight(0.1, 0.1, 0.1, 0.1, 0.1) is None


FINISHED = [complete(number, 0.5 + number / 100) for number in range(6)]
GOOD = make_record(8, (0.1, 0.2, 0.15, 0.9), audited_at=2, data=IMAGES)
POOR = make_record(9, (0.1, 0.1, 0.1, 0.2), audited_at=1, data=IMAGES)
CUT = [pruned(number, 0.1) for number in (10, 11, 12, 13)]


def pruning_answer(found: History) -> tuple[str, ...]:
    """Return what the report says about pruning."""
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


def test_unfinished_trials_are_not_audited() -> None:
    found = audit(history(*FINISHED, replace(GOOD, state="interrupted"), *CUT))
    assert (found.trials, found.share, found.lost, found.suggested_warmup) == ((), None, None, None)


def test_the_report_gives_the_cost_of_pruning_with_an_interval_and_suggests_a_warm_up() -> None:
    assert pruning_answer(history(*FINISHED, GOOD, POOR, *CUT))[2:5] == (
        "Audit: 2 trials ran to the end although the pruner would have stopped them; 1 of them reached the top 5 "
        "(50 %, 95 % interval 9 to 91 %).",
        "So about 2 (0 to 4) of the 4 pruned trials would have been as good as the top 5.",
        "Suggested: warmup_epochs: 3. With this value, no audited trial of the top 5 would have been stopped.",
    )


def test_an_audit_without_a_mistake_suggests_nothing() -> None:
    assert pruning_answer(history(*FINISHED, POOR, *CUT))[4] == "The audit gives no reason for a longer warm-up."


def test_without_an_audit_the_report_explains_how_to_measure_the_cost() -> None:
    assert pruning_answer(history(*FINISHED, *CUT))[2] == (
        "It is not known whether pruning stopped a good trial. To measure it, set search.pruner.audit: 0.1, which lets "
        "a tenth of such trials run to the end."
    )
    space = make_space()
    pruner = replace(space.search.pruner, audit=0.1)
    waiting = history(*FINISHED, *CUT, space=replace(space, search=replace(space.search, pruner=pruner)))
    assert pruning_answer(waiting)[2].endswith("stopped a good trial: no audited trial has finished yet.")


def test_a_pruner_with_only_audited_trials_pruned_nothing_and_is_judged() -> None:
    answer = pruning_answer(history(*FINISHED, GOOD, POOR))
    assert answer[0] == "No trial was pruned: every trial that the pruner would have stopped was audited."
    assert answer[-1].startswith("Suggested: warmup_epochs: 3")
