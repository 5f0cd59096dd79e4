from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from sweep.errors import StudyError
from sweep.records.study_records import read_records
from sweep.space.fields import Value
from sweep.study import fork_study as fork_module
from sweep.study.fork_study import Fork, fork_study, incompatibility
from sweep.study.optuna_study import OptunaStudy
from sweep.study.record_backups import read_copies, restore_records
from tests.fakes import LINE, TREE, make_record, make_space, make_study, record_for, run_trials, take

RATES = (0.5, 0.25, 0.125, 0.0625)
STARTS = f"start_from: [{', '.join(f'{{learning_rate: {rate}}}' for rate in RATES)}]"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Four trials at the learning rates above: complete, failed, pruned, complete; and one that is running."""
    study = make_study(tmp_path / "demo", make_space(more=STARTS))
    states: tuple[dict[str, Any], ...] = (
        {},
        {"state": "failed", "reason": "bug"},
        {"state": "pruned", "reason": "pruned at epoch 2 (median)"},
        {},
    )
    for changes in states:
        study.finish(record_for(study, take(study), **changes))
    _start(study)
    return tmp_path / "demo"


def _start(study: OptunaStudy) -> None:
    study.save(record_for(study, take(study), state="running"))


@pytest.fixture
def new(tmp_path: Path) -> Path:
    folder = tmp_path / "next"
    folder.mkdir()
    return folder


def test_a_fork_copies_what_fits_and_says_why_the_rest_does_not(old: Path, new: Path) -> None:
    narrower = make_space(LINE.replace("high: 1.0", "high: 0.25"))
    assert fork_study(old, new, narrower, lambda: None) == Fork(
        taken=2,
        left=(
            (0, "learning_rate 0.5 is not in 0.0001 to 0.25 (log)"),
            (1, "failed"),
            (4, "running"),
        ),
    )


def test_copied_trials_have_new_numbers_and_an_origin(old: Path, new: Path) -> None:
    fork_study(old, new, make_space(LINE.replace("high: 1.0", "high: 0.25")), lambda: None)
    records = read_records(new)
    assert [(r.study, r.number, r.state, r.origin, r.values["learning_rate"]) for r in records] == [
        ("next", 0, "pruned", "demo/2", 0.125),
        ("next", 1, "complete", "demo/3", 0.0625),
    ]
    assert [record.reason for record in records] == ["pruned at epoch 2 (median)", "all epochs"]
    assert [len(record.epochs) for record in records] == [2, 2]
    assert [record.model_file for record in records] == [None, None]


def test_a_damaged_copied_record_is_restored_like_any_other(old: Path, new: Path) -> None:
    fork_study(old, new, make_space(LINE.replace("high: 1.0", "high: 0.25")), lambda: None)
    before = read_records(new)
    (new / "trials" / "0001" / "trial.json").write_text("{")
    assert len(restore_records(new, (), read_copies(new))) == 1
    assert read_records(new) == before


def test_the_old_study_is_not_changed(old: Path, new: Path) -> None:
    before = {path: path.read_bytes() for path in old.glob("trials/*/trial.json")}
    fork_study(old, new, make_space(), lambda: None)
    assert {path: path.read_bytes() for path in old.glob("trials/*/trial.json")} == before


def test_a_fork_continues_after_the_trials_that_it_copied(old: Path, new: Path) -> None:
    space = make_space(LINE.replace("high: 1.0", "high: 0.25"))
    fork_study(old, new, space, lambda: None)
    study = make_study(new, space)
    assert study.count_started() == 2
    assert take(study, total=3).number == 2
    assert study.next(3) is None


def test_a_fork_tries_the_start_points_that_it_did_not_copy(old: Path, new: Path) -> None:
    space = make_space(more=STARTS)
    assert fork_study(old, new, space, lambda: None).taken == 3
    trials = run_trials(make_study(new, space), 2)
    # The third start point was tried already; the trial of the second start point failed.
    assert [(trial.number, trial.values["learning_rate"] == 0.25) for trial in trials] == [(3, True), (4, False)]


def test_a_forked_grid_leaves_out_the_copied_points(old: Path, new: Path) -> None:
    space = make_space(LINE.replace("{low: 1.0e-4, high: 1.0, log: true}", "[0.5, 0.25, 0.125]"), "sampler: grid")
    assert fork_study(old, new, space, lambda: None).taken == 2
    study = make_study(new, space)
    assert [trial.values["learning_rate"] for trial in run_trials(study, 1)] == [0.25]
    assert study.next(100) is None
    assert [record.number for record in read_records(new)] == [0, 1, 2]


def test_a_trial_with_other_fixed_values_does_not_fit(old: Path) -> None:
    record = read_records(old)[0]
    assert incompatibility(record, make_space()) is None
    assert incompatibility(record, make_space(LINE.replace("epochs: 4", "epochs: 8"))) == "training.epochs: 4 -> 8"
    assert incompatibility(record, make_space(search="objective: val_loss")) == "objective: val_accuracy -> val_loss"


def test_a_trial_fits_a_space_that_searches_what_was_fixed() -> None:
    space = make_space(TREE)
    values: dict[str, Value] = {
        "blocks": 2,
        "filters_1": 8,
        "filters_2": 16,
        "use_l2": True,
        "l2": 0.001,
        "optimizer": "sgd",
        "momentum": 0.9,
        "learning_rate": 0.5,
    }
    record = make_record(config=space.config(values, seed=5))
    assert incompatibility(record, space) is None
    assert incompatibility(record, make_space(TREE.replace("[sgd, adam]", "[sgd, adam, nadam]"))) is None
    without = dataclasses.replace(record, config=space.config({**values, "filters_1": 16}))
    assert incompatibility(without, make_space(TREE.replace("[8, 16]", "[8, 32]"))) == (
        "filters_1 16 is not in [8, 32]; filters_2 16 is not in [8, 32]"
    )


def test_a_fork_of_a_missing_study_is_refused(tmp_path: Path, new: Path) -> None:
    with pytest.raises(StudyError, match="there is no study demo in "):
        fork_study(tmp_path / "demo", new, make_space(), lambda: None)
    assert list(new.iterdir()) == []


def test_a_fork_that_would_copy_nothing_is_refused_with_a_reason(old: Path, new: Path) -> None:
    with pytest.raises(StudyError) as caught:
        fork_study(old, new, make_space(LINE.replace("high: 1.0", "high: 0.0002")), lambda: None)
    assert str(caught.value) == (
        "no trial of the study demo fits the changed space (trial 0: learning_rate 0.5 is not in 0.0001 to 0.0002 "
        "(log)), so there is nothing to copy; start an empty study with --study next"
    )
    assert list(new.iterdir()) == []


def test_a_fork_into_an_existing_study_is_refused(old: Path, new: Path) -> None:
    make_study(new)
    with pytest.raises(StudyError, match=r"^the study next exists already; choose another name for --fork$"):
        fork_study(old, new, make_space(), lambda: None)


@pytest.mark.parametrize("step", ["write_trials", "write_copy", "complete_new_study"])
def test_a_fork_that_is_killed_leaves_nothing_in_the_way_of_the_next(
    old: Path, new: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(fork_module, step, killed)
    with pytest.raises(KeyboardInterrupt):
        fork_study(old, new, make_space(), lambda: None)
    monkeypatch.undo()
    assert fork_study(old, new, make_space(), lambda: None).taken == 3
    assert [record.number for record in read_records(new)] == [0, 1, 2]


def test_records_that_a_killed_fork_did_not_write_are_restored(
    old: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork_module, "write_record", killed)
    with pytest.raises(KeyboardInterrupt):
        fork_study(old, new, make_space(), lambda: None)
    monkeypatch.undo()
    assert make_study(new).count_started() == 3
    assert [record.number for record in read_records(new)] == [0, 1, 2]


def killed(*_arguments: object) -> None:
    raise KeyboardInterrupt
