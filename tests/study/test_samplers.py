"""Every sampler and pruner by name, in studies in memory."""

from __future__ import annotations

import functools
import importlib.util
import warnings
from collections.abc import Sequence
from typing import Any

import optuna
import pytest

from sweep.space.config import PrunerConfig
from sweep.space.parameters import Choice, FloatRange, IntRange, Values
from sweep.space.space import Space
from sweep.study.optuna_parameters import optuna_distribution, suggest
from sweep.study.pruners import make_pruner
from sweep.study.samplers import make_sampler
from tests.fakes import TREE, make_space

PRUNERS = ("median", "percentile", "hyperband", "asha", "patient")


def propose(space: Space, count: int) -> list[Values]:
    """Return points as the study requests them: with a new sampler for each."""
    study = optuna.create_study(direction="maximize")
    points: list[Values] = []
    for number in range(count):
        study.sampler = make_sampler(space.search, number)
        trial = study.ask()
        points.append(space.suggest(functools.partial(suggest, trial)))
        study.tell(trial, float(number % 3))
    return points


@pytest.mark.parametrize("sampler", ["tpe", "random", "gp", "cmaes", "qmc", "grid"])
def test_every_sampler_proposes_points_of_a_conditional_space(sampler: str) -> None:
    if sampler == "gp" and importlib.util.find_spec("torch") is None:
        pytest.skip("gp needs torch")
    space = make_space(TREE, "sampler: random, startup_trials: 3")
    object.__setattr__(space.search, "sampler", sampler)  # the reader refuses a grid over continuous parameters
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        points = propose(space, 8)
    assert not any(space.faults(point) for point in points)
    assert len({tuple(point.items()) for point in points}) == 8


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes", "qmc"])
def test_no_parameter_always_has_the_same_value(sampler: str) -> None:
    points = propose(make_space(TREE, f"sampler: {sampler}, startup_trials: 4, seed: 3"), 24)
    for name, least in {"blocks": 3, "optimizer": 2, "use_l2": 2, "l2": 4, "momentum": 4, "learning_rate": 10}.items():
        assert len({point[name] for point in points if name in point}) >= least, name


@pytest.mark.parametrize(
    "parameter",
    [
        Choice("a", ("a",), choices=(True, 2, 0.5, "x", None)),
        IntRange("a", ("a",), low=2, high=10, step=4),
        IntRange("a", ("a",), low=1, high=100, log=True),
        FloatRange("a", ("a",), low=0.25, high=1.0, step=0.25),
        FloatRange("a", ("a",), low=0.001, high=1.0, log=True),
        FloatRange("a", ("a",), low=-1.0, high=1.0),
    ],
)
def test_a_forked_trial_has_the_distribution_of_a_suggested_one(parameter: Any) -> None:
    trial = optuna.create_study().ask()
    assert parameter.contains(suggest(trial, parameter))
    assert trial.distributions == {"a": optuna_distribution(parameter)}


def judge(name: str, accuracies: Sequence[float], history: int = 6, epochs: int = 9, **settings: Any) -> list[bool]:
    """Return the pruner's decision after each epoch; all earlier trials had 0.9 in all epochs."""
    pruner = make_pruner(PrunerConfig(name=name, **{"startup_trials": 2, "warmup_epochs": 3} | settings), epochs)  # type: ignore[arg-type]
    study = optuna.create_study(
        study_name="demo", direction="maximize", pruner=pruner
    )  # the name determines the bracket
    for _ in range(history):
        _run_trial(study, [0.9] * epochs)
    return _run_trial(study, accuracies)


def _run_trial(study: optuna.Study, accuracies: Sequence[float]) -> list[bool]:
    trial = study.ask()
    decisions = []
    for epoch, accuracy in enumerate(accuracies, start=1):
        trial.report(accuracy, epoch)
        decisions.append(bool(trial.should_prune()))
    study.tell(trial, max(accuracies))
    return decisions


@pytest.mark.parametrize("name", PRUNERS)
def test_the_warm_up_epochs_are_always_trained(name: str) -> None:
    """A trial may be pruned at the end of the third of three warm-up epochs, not before."""
    assert judge(name, [0.1, 0.1, 0.1])[:2] == [False, False]


@pytest.mark.parametrize("name", PRUNERS)
def test_every_pruner_eventually_ends_a_hopeless_trial(name: str) -> None:
    assert any(judge(name, [0.4, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1], patience=2))


def test_a_patient_pruner_waits_for_epochs_without_improvement() -> None:
    behind = [0.1, 0.2, 0.3, 0.4, 0.3, 0.2, 0.1]
    assert judge("patient", behind, patience=2).index(True) == 6
    assert judge("median", behind).index(True) == 2


@pytest.mark.parametrize("name", PRUNERS)
@pytest.mark.parametrize("warmup", [0, 9, 30])
def test_every_pruner_works_with_no_warm_up_and_with_too_much_of_it(name: str, warmup: int) -> None:
    decisions = judge(name, [0.1] * 9, warmup_epochs=warmup)
    if warmup:
        assert decisions[:8] == [False] * 8


def test_the_median_pruner_ends_trials_below_the_median_after_the_warm_up() -> None:
    assert judge("median", [0.1] * 5) == [False, False, True, True, True]
    assert judge("median", [0.95] * 5) == [False] * 5


def test_nothing_is_pruned_before_enough_trials_have_finished() -> None:
    assert judge("median", [0.1] * 5, history=1) == [False] * 5


def test_a_percentile_keeps_the_best_trials() -> None:
    def third_of_four(percentile: float) -> bool:
        config = PrunerConfig(name="percentile", percentile=percentile, startup_trials=1, warmup_epochs=0)
        study = optuna.create_study(direction="maximize", pruner=make_pruner(config, 4))
        for accuracy in (0.2, 0.4, 0.6, 0.8):
            _run_trial(study, [accuracy])
        return _run_trial(study, [0.5])[0]

    assert third_of_four(25.0) is True
    assert third_of_four(75.0) is False


def test_without_a_pruner_nothing_is_pruned() -> None:
    assert judge("none", [0.0] * 9) == [False] * 9
