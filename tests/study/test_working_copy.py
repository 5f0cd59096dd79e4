"""The working copy: the same trials as the database, the same decisions as without a copy, and events as a whole."""

from __future__ import annotations

import functools
import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from sweep.errors import StudyError
from sweep.records.study_records import read_records
from sweep.space.space import Space
from sweep.study import storage as study_storage
from sweep.study import working_copy
from sweep.study.optuna_parameters import suggest, to_optuna
from sweep.study.optuna_study import OptunaStudy
from sweep.study.optuna_tables import read_trials, write_trials
from sweep.study.pruners import make_pruner
from sweep.study.record_backups import read_copies
from sweep.study.samplers import make_sampler
from tests.fakes import TREE, make_space, make_study, metrics, record_for, take

SAMPLERS = ["tpe", "random", "qmc", "cmaes"]
MEDIAN = "pruner: {name: median, startup_trials: 2, warmup_epochs: 1}"
STARTS = "start_from: [{learning_rate: 0.01, blocks: 1, filters_1: 8, use_l2: false, optimizer: adam}]"


def quality(rate: float, epoch: int) -> float:
    return (1.0 - 0.5**epoch) / (1.0 + abs(math.log10(rate) + 2.0))


def stored(folder: Path) -> list[FrozenTrial]:
    database = RDBStorage(f"sqlite:///{folder}/study.db")
    return database.get_all_trials(database.get_study_id_from_name("demo"), deepcopy=False)


def facts(trial: FrozenTrial) -> dict[str, Any]:
    """Return everything of a trial, except its times and its identifier in the storage."""
    names = ("number", "state", "values", "params", "distributions", "intermediate_values", "user_attrs")
    attributes = {key: value for key, value in trial.system_attrs.items() if not key.startswith("cma:")}
    return {name: getattr(trial, name) for name in names} | {"system_attrs": attributes}


def run(study: OptunaStudy, trials: int) -> list[tuple[Any, int]]:
    """Run trials one after the other; return the values and the number of epochs of each. The third one fails."""
    done = []
    for _ in range(trials):
        pending = take(study)
        rate, accuracies = pending.config.training.learning_rate, []
        for epoch in range(1, 5):
            accuracies.append(quality(rate, epoch))
            if study.report(pending.number, metrics(epoch, accuracies[-1])):
                break
            study.save(record_for(study, pending, state="running", accuracies=tuple(accuracies)))
        state = "complete" if len(accuracies) == 4 else "pruned"
        changes = {"state": "failed", "reason": "nan", "objective_value": None} if pending.number == 2 else {}
        study.finish(record_for(study, pending, **{"state": state, "accuracies": tuple(accuracies)} | changes))
        done.append((pending.values, len(accuracies)))
    return done


def plainly(folder: Path, space: Space, trials: int) -> list[tuple[Any, int]]:
    """Run the same trials with Optuna and its own SQLite storage alone."""
    study = optuna.create_study(
        storage=f"sqlite:///{folder}/plain.db",
        direction="maximize",
        pruner=make_pruner(space.search.pruner, space.epochs),
    )
    for point in space.start_from:
        study.enqueue_trial(to_optuna(space, point.values))
    done = []
    for number in range(trials):
        study.sampler = make_sampler(space.search, number)
        trial = study.ask()
        values = space.suggest(functools.partial(suggest, trial))
        epochs, pruned = 0, False
        while epochs < 4 and not pruned:
            epochs += 1
            trial.report(quality(float(values["learning_rate"] or 0), epochs), epochs)
            pruned = trial.should_prune()
        if number == 2:
            trial.set_constraint("nan", 1.0)
        if pruned or number == 2:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, quality(float(values["learning_rate"] or 0), epochs))
        done.append((values, epochs))
    return done


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_points_and_prunings_are_those_of_optuna_with_its_own_storage(tmp_path: Path, sampler: str) -> None:
    space = make_space(TREE, search=f"sampler: {sampler}, startup_trials: 4, {MEDIAN}", more=STARTS)
    expected = plainly(tmp_path, space, 14)
    first = run(make_study(tmp_path / "demo", space), 9)
    assert first + run(make_study(tmp_path / "demo", space), 5) == expected
    assert {epochs for _, epochs in expected} > {4}  # some trials were pruned


@pytest.mark.parametrize("sampler", [*SAMPLERS, "grid"])
def test_the_database_has_the_same_trials_as_the_copy(tmp_path: Path, sampler: str) -> None:
    text = TREE if sampler != "grid" else TREE.replace("{low: 1.0e-6, high: 1.0e-2, log: true, or: 0}", "[0, 0.01]")
    text = text if sampler != "grid" else text.replace("{low: 1.0e-4, high: 1.0, log: true}", "[0.01, 0.1]")
    text = text if sampler != "grid" else text.replace("{low: 0.8, high: 0.99, when", "{choices: [0.9], when")
    space = make_space(text, search=f"sampler: {sampler}, startup_trials: 4, {MEDIAN}")
    study = make_study(tmp_path / "demo", space)
    run(study, 8)
    take(study)
    copy = study._copy.get_all_trials(0)
    assert [facts(trial) for trial in copy] == [facts(trial) for trial in stored(tmp_path / "demo")]
    assert [trial.state.name for trial in copy][-1] == "RUNNING"
    opened = make_study(tmp_path / "demo", space)._copy
    assert [facts(trial) for trial in opened.get_all_trials(0)] == [facts(trial) for trial in copy]
    assert opened.get_study_system_attrs(0) == study._copy.get_study_system_attrs(0)


def test_trials_are_read_as_optuna_reads_them(tmp_path: Path) -> None:
    database = RDBStorage(f"sqlite:///{tmp_path}/study.db")
    study = optuna.create_study(study_name="demo", storage=database, sampler=optuna.samplers.RandomSampler(1))
    study.enqueue_trial({"x": 0.5}, user_attrs={"origin": "here"})
    for value in (1.0, math.inf, -math.inf):
        trial = study.ask()
        trial.suggest_float("x", 0.1, 1.0, log=True)
        trial.suggest_categorical("c", [None, True, "a", 2])
        for step, reported in enumerate((value, math.nan)):
            trial.report(reported, step)
        trial.set_constraint("c", 0.5)
        study.tell(trial, value)
    study.ask()
    with database.engine.connect() as connection:
        found = list(read_trials(connection, 1))
    expected = database.get_all_trials(1)
    for ours, theirs in zip(found, expected, strict=True):
        assert str(ours.intermediate_values) == str(theirs.intermediate_values)  # NaN is not equal to itself
        ours.intermediate_values = theirs.intermediate_values = {}
    assert [vars(trial) for trial in found] == [vars(trial) for trial in expected]


def test_trials_are_written_as_optuna_writes_them(tmp_path: Path) -> None:
    source = optuna.create_study(sampler=optuna.samplers.RandomSampler(1))
    for value in (1.0, math.inf, -math.inf, None):
        trial = source.ask()
        trial.suggest_float("x", 0.1, 1.0, log=True)
        trial.suggest_int("n", 1, 9)
        trial.suggest_categorical("c", [None, True, "a", 2])
        trial.report(value or 0.25, 1)
        trial.report(-math.inf, 7)
        trial.set_user_attr("origin", {"here": [1, None]})
        trial.set_constraint("c", 0.5)
        source.tell(trial, value, TrialState.COMPLETE if value else TrialState.PRUNED)
    source.enqueue_trial({"x": 0.5})
    source.ask()
    trials = source.get_trials()
    storages = [RDBStorage(f"sqlite:///{tmp_path}/{name}.db") for name in ("ours", "optunas")]
    for storage in storages:
        optuna.create_study(study_name="other", storage=storage).add_trial(trials[0])
        optuna.create_study(study_name="demo", storage=storage).add_trial(trials[0])
    with storages[0].engine.begin() as connection:
        assert write_trials(connection, 2, trials) == [3, 4, 5, 6, 7]
        assert write_trials(connection, 2, []) == []
    for frozen in trials:
        storages[1].create_new_trial(2, frozen)
    ours, optunas = (storage.get_all_trials(2) for storage in storages)
    assert [vars(trial) for trial in ours] == [vars(trial) for trial in optunas]
    assert [trial.number for trial in ours] == [0, 1, 2, 3, 4, 5]


def test_a_kill_within_a_commit_leaves_nothing_of_the_event(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    pending = take(study)
    study.save(record_for(study, pending, state="running", accuracies=()))
    before = read_copies(tmp_path / "demo")
    study.report(0, metrics(1))
    with pytest.raises(KeyboardInterrupt), study._copy.commit():
        raise KeyboardInterrupt
    assert stored(tmp_path / "demo")[0].intermediate_values == {}
    assert read_copies(tmp_path / "demo") == before


def test_after_a_failed_commit_nothing_more_is_written(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    pending = take(study)
    with closing(sqlite3.connect(tmp_path / "demo" / "study.db")) as connection, connection:
        connection.execute("DROP TABLE trial_intermediate_values")
    study.report(0, metrics(1))
    with pytest.raises(StudyError, match="no such table: trial_intermediate_values"):
        study.save(record_for(study, pending, state="running"))
    assert study.has_failed
    with pytest.raises(StudyError, match="nothing more is written"):
        study.finish(record_for(study, pending))
    assert read_records(tmp_path / "demo") == []


def test_an_event_is_one_transaction(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    pending = take(study)
    with closing(sqlite3.connect(tmp_path / "demo" / "study.db")) as reader:
        (before,) = reader.execute("PRAGMA data_version").fetchone()
        study.report(0, metrics(1))
        study.finish(record_for(study, pending))
        (after,) = reader.execute("PRAGMA data_version").fetchone()
    assert after - before == 1


def test_a_viewer_can_read_and_write_while_the_sweep_runs(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    run(study, 2)
    viewer = optuna.load_study(study_name="demo", storage=f"sqlite:///{tmp_path}/demo/study.db")
    assert len(viewer.trials) == 2
    viewer.set_user_attr("note", "good")
    run(study, 2)
    assert viewer.user_attrs["note"] == "good"
    assert len(viewer.trials) == 4


def test_a_sampler_sees_the_best_trials_and_a_sample_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working_copy, "MOST_SHOWN", 8)
    monkeypatch.setattr(working_copy, "_BEST_SHOWN", 3)
    study = make_study(tmp_path / "demo")
    for accuracy in (0.1, 0.2, 0.9, 0.3, 0.8, 0.2, 0.1, 0.7, 0.3, 0.2, 0.1, 0.0):
        study.finish(record_for(study, take(study), accuracies=(accuracy,)))
    take(study)
    with study._copy.fewer_trials():
        assert [trial.number for trial in study._copy.get_all_trials(0)] == [0, 2, 4, 5, 7, 8, 11, 12]
    assert len(study._copy.get_all_trials(0)) == 13


def test_a_trial_that_an_earlier_version_drew_in_part_gets_all_its_values_again(tmp_path: Path) -> None:
    """Its values differ from the first ones if other trials have ended since then."""
    folder = tmp_path / "demo"
    space = make_space(TREE, search="sampler: tpe, startup_trials: 2, pruner: {name: none}")
    study = make_study(folder, space)
    run(study, 4)
    for _ in range(3):  # the last one of these is drawn in part
        take(study)
    with closing(sqlite3.connect(folder / "study.db")) as connection, connection:
        drawn = "trial_id = (SELECT trial_id FROM trials WHERE number = 6)"
        connection.execute(f"DELETE FROM trial_params WHERE {drawn} AND param_name != 'learning_rate'")
    again = make_study(folder, space)
    run(again, 3)
    values = dict(read_records(folder)[6].values)
    assert stored(folder)[6].params == values
    assert again._copy.get_all_trials(0)[6].params == values


def test_nothing_is_written_to_a_database_that_was_moved(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    pending = take(study)
    for name in ("study.db", "study.db-wal", "study.db-shm"):
        (tmp_path / "demo" / name).rename(tmp_path / name)
    with pytest.raises(StudyError, match=r"study.db was moved, removed or replaced .* Put it back, or `python -m"):
        study.finish(record_for(study, pending))
    assert study.has_failed
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE trials SET state = 'BOGUS'",
        "UPDATE trial_intermediate_values SET intermediate_value = NULL",
        'UPDATE trial_params SET distribution_json = \'{"name": "Other", "attributes": {}}\'',
        "UPDATE trials SET datetime_start = 'yesterday'",
    ],
)
def test_values_that_optuna_does_not_write_are_a_study_error(tmp_path: Path, damage: str) -> None:
    run(make_study(tmp_path / "demo"), 1)
    with closing(sqlite3.connect(tmp_path / "demo" / "study.db")) as connection, connection:
        connection.execute(damage)
    with pytest.raises(StudyError, match=r"study.db: a trial cannot be read: .*`python -m sweep.repair --study demo"):
        make_study(tmp_path / "demo")


def test_a_database_that_another_program_writes_to_needs_no_repair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_storage, "BUSY_SECONDS", 0.1)
    study = make_study(tmp_path / "demo")
    with closing(sqlite3.connect(tmp_path / "demo" / "study.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(StudyError) as caught:
            take(study)
    assert str(caught.value).endswith(
        "Another program is writing to it: close that program and run the same command again"
    )


def test_a_closed_study_leaves_no_log(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    run(study, 2)
    study.close()
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == ["study.db", "trials"]
