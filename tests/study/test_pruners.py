from __future__ import annotations

import random
from dataclasses import replace

import optuna
import pytest
from optuna.study import StudyDirection

from sweep.records.trial_result import EpochMetrics
from sweep.space.config import PrunerConfig
from sweep.study.pruners import CurvePruner, is_audited, may_prune
from tests.fakes import metrics


def epochs_at(*rates: float) -> list[EpochMetrics]:
    return [replace(metrics(epoch), learning_rate=rate) for epoch, rate in enumerate(rates, start=1)]


def test_a_trial_is_not_pruned_after_its_last_epoch() -> None:
    assert may_prune(PrunerConfig(), epochs_at(0.1, 0.1, 0.1), limit=4)
    assert not may_prune(PrunerConfig(), epochs_at(0.1, 0.1, 0.1, 0.1), limit=4)


@pytest.mark.parametrize(("grace", "allowed"), [(0, True), (1, True), (2, False), (3, False)])
def test_a_trial_is_not_pruned_for_some_epochs_after_its_rate_dropped(grace: int, allowed: bool) -> None:
    # The third and the fourth epoch are the first and the second at the lower rate.
    assert may_prune(PrunerConfig(grace_after_drop=grace), epochs_at(0.1, 0.1, 0.05, 0.05), limit=9) is allowed


def test_the_share_of_audited_trials_is_about_as_configured() -> None:
    audited = [number for number in range(2000) if is_audited(PrunerConfig(audit=0.1), 7, number)]
    assert 150 < len(audited) < 250
    assert not any(is_audited(PrunerConfig(audit=0.0), 7, number) for number in range(2000))
    assert all(is_audited(PrunerConfig(audit=1.0), 7, number) for number in range(2000))


def test_whether_a_trial_is_audited_depends_on_seed_and_number() -> None:
    config = PrunerConfig(audit=0.5)
    first = [is_audited(config, 7, number) for number in range(50)]
    assert first == [is_audited(config, 7, number) for number in range(50)]
    assert first != [is_audited(config, 8, number) for number in range(50)]


@pytest.mark.parametrize("direction", list(StudyDirection)[1:])
@pytest.mark.parametrize("percentile", [25.0, 50.0, 60.0])
def test_the_curve_pruner_decides_like_optunas_percentile_pruner(direction: StudyDirection, percentile: float) -> None:
    generator = random.Random(7)
    study = optuna.create_study(direction=direction)
    ours, theirs = CurvePruner(percentile, 3, 2), optuna.pruners.PercentilePruner(percentile, 3, 2)
    decisions = []
    trials = [study.ask() for _ in range(60)]
    for trial in generator.sample(trials, 60):  # trials do not end in the order of their numbers
        for step in range(1, generator.randint(2, 7)):
            trial.report(generator.choice((0.1, 0.2, 0.3, 0.4, 0.5)), step)
            frozen = study._storage.get_trial(trial._trial_id)
            decisions.append(ours.prune(study, frozen))
            assert decisions[-1] == theirs.prune(study, frozen)
        study.tell(trial, 0.5) if generator.random() < 0.8 else study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    assert {True, False} == set(decisions)
