from __future__ import annotations

import importlib.util
import sqlite3
import warnings
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from sweep.errors import FailureCause, RecordError, StudyError
from sweep.records.study_records import find_record, ranked, read_records
from sweep.space.fields import Value
from sweep.space.parameters import Parameter
from sweep.study.open_study import open_study
from sweep.study.optuna_parameters import suggest
from sweep.study.optuna_study import OptunaStudy
from sweep.study.samplers import make_sampler
from tests.fakes import CONFIG, LINE, TREE, make_record, make_space, make_study, metrics, record_for, take

MEDIAN = "sampler: random, pruner: {name: median, startup_trials: 1, warmup_epochs: 2}"


def finish(study: OptunaStudy, **changes: Any) -> None:
    study.finish(record_for(study, take(study), **changes))


def stored(folder: Path) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="demo", storage=f"sqlite:///{folder}/study.db").trials


def in_database(folder: Path, sampler: optuna.samplers.BaseSampler | None = None) -> optuna.Study:
    """Return the study without a working copy, so that each value is stored separately."""
    return optuna.load_study(study_name="demo", storage=f"sqlite:///{folder}/study.db", sampler=sampler)


def reports(folder: Path) -> list[tuple[int, float]]:
    with closing(sqlite3.connect(folder / "study.db")) as connection:
        return connection.execute(
            "SELECT step, intermediate_value FROM trial_intermediate_values ORDER BY step"
        ).fetchall()


def test_interrupted_trials_come_first_with_the_same_number_values_and_seed(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo", make_space(TREE))
    first, second, third = (take(study) for _ in range(3))
    study.finish(record_for(study, second))
    again = make_study(tmp_path / "demo", make_space(TREE))
    assert again.interrupted_trials() == (0, 2)
    for before in (first, third):
        after = take(again)
        assert (after.number, after.values, after.config) == (before.number, before.values, before.config)
    assert take(again).number == 3
    assert again.interrupted_trials() == ()


def test_interrupted_trials_are_finished_even_beyond_the_total(tmp_path: Path) -> None:
    take(make_study(tmp_path / "demo"))
    study = make_study(tmp_path / "demo")
    assert take(study, total=1).number == 0
    assert study.next(1) is None


def test_a_resumed_trial_keeps_the_time_of_its_first_start(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    pending = take(study)
    assert pending.earlier is None
    study.save(record_for(study, pending, state="running", started="2025-01-02T03:04:05+00:00"))
    before = take(make_study(tmp_path / "demo")).earlier
    assert before is not None
    assert before.started == "2025-01-02T03:04:05+00:00"


def test_a_trial_killed_before_its_values_were_drawn_draws_the_same_ones(tmp_path: Path) -> None:
    whole = take(make_study(tmp_path / "a" / "demo", make_space(TREE)))
    make_study(tmp_path / "b" / "demo", make_space(TREE))
    in_database(tmp_path / "b" / "demo").ask()  # by an earlier version, killed before any value was suggested
    assert take(make_study(tmp_path / "b" / "demo", make_space(TREE))).values == whole.values


def test_a_kill_before_the_values_are_written_leaves_no_trial(tmp_path: Path) -> None:
    whole = take(make_study(tmp_path / "a" / "demo", make_space(TREE)))
    study = make_study(tmp_path / "b" / "demo", make_space(TREE))
    study._copy.commit = nullcontext  # type: ignore[method-assign,assignment]
    take(study)
    assert stored(tmp_path / "b" / "demo") == []
    assert take(make_study(tmp_path / "b" / "demo", make_space(TREE))).values == whole.values


def test_a_trial_that_had_its_values_but_did_not_start_is_not_drawn_again(tmp_path: Path) -> None:
    space = make_space(TREE, search="sampler: tpe, startup_trials: 1")
    study = make_study(tmp_path / "demo", space)
    first, second = take(study), take(study)
    study.finish(record_for(study, first))
    assert take(make_study(tmp_path / "demo", space)).values == second.values
    assert "fixed_params" not in stored(tmp_path / "demo")[1].system_attrs


def test_an_epoch_is_never_reported_twice(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    pending = take(study)
    for epoch, accuracy in ((1, 0.25), (2, 0.5)):
        assert study.report(0, metrics(epoch, accuracy)) is False
    study.save(record_for(study, pending, state="running"))
    again = make_study(tmp_path / "demo")
    take(again)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Optuna warns about a value that is reported twice
        for epoch, accuracy in ((1, 0.125), (2, 0.125), (3, 0.75)):
            assert again.report(0, metrics(epoch, accuracy)) is False
    again.save(record_for(again, pending, state="running"))
    assert reports(tmp_path / "demo") == [(1, 0.25), (2, 0.5), (3, 0.75)]


def test_the_study_reports_the_objective(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo", make_space(search="objective: val_loss, sampler: random"))
    pending = take(study)
    study.report(0, metrics(1, accuracy=0.25, loss=3.5))
    study.finish(record_for(study, pending, objective_value=3.5))
    assert reports(tmp_path / "demo") == [(1, 3.5)]
    assert stored(tmp_path / "demo")[0].value == 3.5


def test_a_trial_that_is_behind_is_pruned_and_one_that_is_ahead_is_not(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo", make_space(search=MEDIAN))
    _train(study, (0.5, 0.5, 0.5, 0.5))
    assert _train(study, (0.1, 0.1, 0.1, 0.1)) == [False, True, True, True]
    assert _train(study, (0.9, 0.9, 0.9, 0.9)) == [False, False, False, False]


def test_a_resumed_trial_is_not_pruned_for_later_epochs(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo", make_space(search=MEDIAN))
    pending = take(study)
    for epoch in (1, 2, 3):
        assert study.report(0, metrics(epoch, 0.1)) is False  # there is no other trial
    study.save(record_for(study, pending, state="running"))
    _train(study, (0.5, 0.5, 0.5, 0.5))
    again = make_study(tmp_path / "demo", make_space(search=MEDIAN))
    take(again)
    assert [again.report(0, metrics(epoch, 0.1)) for epoch in (1, 2, 3)] == [False, False, True]


def _train(study: OptunaStudy, accuracies: tuple[float, ...]) -> list[bool]:
    """Run a trial to its end, regardless of the pruner; return the pruner's decisions."""
    pending = take(study)
    decisions = [study.report(pending.number, metrics(n, value)) for n, value in enumerate(accuracies, start=1)]
    study.finish(record_for(study, pending, accuracies=accuracies))
    return decisions


def test_a_failure_of_the_sampled_point_becomes_a_violated_constraint(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    causes: tuple[FailureCause, ...] = ("nan", "oom", "too_large", "infeasible")
    for cause in causes:
        finish(study, state="failed", reason=cause, objective_value=None)
    trials = stored(tmp_path / "demo")
    assert [trial.state for trial in trials] == [TrialState.PRUNED] * 4
    assert [trial.constraints for trial in trials] == [{cause: 1.0} for cause in causes]
    assert trials[0].user_attrs == {"state": "failed", "reason": "nan"}


def test_a_failure_unrelated_to_the_sampled_point_is_a_fail(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    causes: tuple[FailureCause, ...] = ("bug", "killed", "timeout", "data")
    for cause in causes:
        finish(study, state="failed", reason=cause, objective_value=None)
    trials = stored(tmp_path / "demo")
    assert [trial.state for trial in trials] == [TrialState.FAIL] * 4
    assert [trial.constraints for trial in trials] == [{}] * 4


def test_the_policies_decide_what_the_sampler_learns(tmp_path: Path) -> None:
    search = "sampler: random, failures: {nan: fail, killed: infeasible, timeout: {retry: 2}, oom: {retry: 2}}"
    study = make_study(tmp_path / "demo", make_space(search=search))
    for cause in ("nan", "killed", "timeout", "oom"):
        finish(study, state="failed", reason=cause, objective_value=None)
    assert [trial.constraints for trial in stored(tmp_path / "demo")] == [{}, {"killed": 1.0}, {}, {"oom": 1.0}]


def test_a_pruned_trial_has_no_value_and_a_complete_one_its_best(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    finish(study, state="pruned", reason="pruned at epoch 2 (median)")
    finish(study, accuracies=(0.25, 0.75, 0.5))
    pruned, complete = stored(tmp_path / "demo")
    assert (pruned.state, pruned.value, pruned.constraints) == (TrialState.PRUNED, None, {})
    assert (complete.state, complete.value) == (TrialState.COMPLETE, 0.75)


def test_the_sampler_keeps_away_from_where_trials_are_infeasible(tmp_path: Path) -> None:
    """Four numbers of blocks; 4 is always infeasible. A random sampler would propose it in 6 of the last 24 trials."""
    text = LINE.replace("{builder: vgg}", "{builder: vgg, blocks: [1, 2, 3, 4], filters: {fixed: [8, 8, 8, 8]}}")
    space = make_space(text.replace("{low: 1.0e-4, high: 1.0, log: true}", "0.5"), "sampler: tpe, startup_trials: 10")
    study = make_study(tmp_path / "demo", space)
    proposed = []
    for _ in range(34):
        pending = take(study)
        proposed.append(pending.values["blocks"])
        fits = pending.values["blocks"] != 4
        failed = {"state": "failed", "reason": "too_large", "accuracies": ()}
        study.finish(record_for(study, pending, **({} if fits else failed)))
    assert proposed[:10].count(4) >= 2  # the sampler has infeasible trials to learn from
    assert proposed[10:].count(4) <= 2


def test_the_sampler_gp_without_torch_is_refused_when_the_study_is_opened(tmp_path: Path) -> None:
    if _has_torch():
        pytest.skip("torch is installed")
    with pytest.raises(StudyError) as caught:
        make_study(tmp_path / "demo", make_space(search="sampler: gp"))
    assert str(caught.value) == ("the sampler `gp` needs PyTorch, which is not installed; install torch, or use `tpe`")


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def test_a_record_that_cannot_be_written_is_a_study_error(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    record = record_for(study, take(study))
    (tmp_path / "demo" / "trials").write_text("in the way")
    with pytest.raises(StudyError, match="trials/0000: File exists; "):
        study.save(record)


def test_records_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    for number in (9999, 2, 10000):
        study.save(make_record(number))
    assert [record.number for record in study.records()] == [2, 9999, 10000]


def test_a_study_without_trials_has_no_records(tmp_path: Path) -> None:
    make_study(tmp_path / "demo")
    assert read_records(tmp_path / "demo") == []


def test_a_damaged_record_is_an_error_and_not_a_missing_trial(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    study.save(make_record(0))
    (tmp_path / "demo" / "trials" / "0000" / "trial.json").write_text('{"study": "de')
    with pytest.raises(RecordError, match=r"0000/trial\.json: not a trial record of format 1"):
        read_records(tmp_path / "demo")


def test_complete_trials_are_ranked_by_the_objective_and_equals_by_number() -> None:
    records = [
        make_record(0, (0.5,)),
        make_record(1, (0.75,)),
        make_record(2, (0.75,)),
        make_record(3, (0.9,), state="pruned"),
        make_record(4, (0.0,)),
        make_record(5, state="failed", reason="bug"),
        make_record(6, (0.8,), state="interrupted"),
    ]
    assert [record.number for record in ranked(reversed(records))] == [1, 2, 0, 4]


def test_a_loss_is_ranked_upwards_and_may_be_zero_or_negative() -> None:
    config = replace(CONFIG, objective="val_loss")
    records = [make_record(n, config=config, objective_value=loss) for n, loss in enumerate((0.5, 0.0, -0.5))]
    assert [record.number for record in ranked(records)] == [2, 1, 0]


def test_a_record_is_found_by_its_number_and_the_best_without_one(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    study.save(make_record(0, (0.5,)))
    study.save(make_record(1, (0.75,)))
    study.save(make_record(3, (0.25,)))
    assert find_record(tmp_path / "demo", None).number == 1
    assert find_record(tmp_path / "demo", 0).number == 0
    with pytest.raises(StudyError, match=r"^the study demo has no trial 7; its trials are 0 to 3$"):
        find_record(tmp_path / "demo", 7)


def test_a_study_without_a_finished_trial_has_no_best(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    with pytest.raises(StudyError, match=r"^the study demo has no trial 0; it has no trials$"):
        find_record(tmp_path / "demo", 0)
    study.save(make_record(0, state="failed", reason="bug"))
    with pytest.raises(StudyError, match=r"^the study demo has no finished trial yet; choose a trial with --trial N$"):
        find_record(tmp_path / "demo", None)


def test_a_missing_study_has_no_records(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"^there is no study demo in "):
        find_record(tmp_path / "demo", None)


@pytest.mark.parametrize("search", ["sampler: random", "sampler: tpe, startup_trials: 2"])
@pytest.mark.parametrize("drawn", [1, 2, 3])
def test_a_trial_killed_while_its_values_were_drawn_has_the_values_of_an_undisturbed_one(
    tmp_path: Path, search: str, drawn: int
) -> None:
    space = make_space(TREE, search=search)

    def after_four(folder: Path) -> OptunaStudy:
        study = make_study(folder, space)
        for accuracy in (0.3, 0.6, 0.1, 0.9):
            _train(study, (accuracy,) * 4)
        return study

    whole = take(after_four(tmp_path / "a" / "demo"))
    after_four(tmp_path / "b" / "demo")
    suggested: list[object] = []

    def draw(parameter: Parameter) -> Value:
        if len(suggested) == drawn:
            raise KeyboardInterrupt
        suggested.append(parameter)
        return suggest(trial, parameter)

    trial = in_database(tmp_path / "b" / "demo", make_sampler(space.search, 4)).ask()  # by an earlier version
    with pytest.raises(KeyboardInterrupt):
        space.suggest(draw)

    again = take(make_study(tmp_path / "b" / "demo", space))

    assert (again.number, again.values, again.config) == (4, whole.values, whole.config)
    assert stored(tmp_path / "b" / "demo")[4].params == stored(tmp_path / "a" / "demo")[4].params


def test_a_resumed_trial_keeps_its_number_of_threads(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    pending = take(study)
    study.save(record_for(study, pending, state="running"))
    again = open_study(tmp_path / "demo", make_space(), threads=4, check_folder=lambda: None)
    assert take(again).config.threads == 1
    assert take(again).config.threads == 4


def test_a_trial_killed_before_its_first_record_is_ignored(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    (tmp_path / "demo" / "trials" / "0000").mkdir(parents=True)
    assert study.records() == []
