from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from sweep.errors import StudyError
from sweep.space.space import Space
from sweep.study import open_study as open_study_module
from sweep.study.open_study import open_study, space_differences, stored_space
from tests.fakes import LINE, TREE, make_space, make_study, record_for, run_trials, take

START = """
start_from:
  - {learning_rate: 0.25}
  - {learning_rate: 0.5}
"""
GRID = """
study: demo
data: {name: digits}
model:
  builder: vgg
  blocks: [1, 2]
  filters: {each: blocks, choices: [8, 16]}
training:
  optimizer: [sgd, adam]
  momentum: {low: 0.7, high: 0.9, step: 0.1, when: {optimizer: sgd}}
"""
GRID_POINTS = (2 + 4) * (3 + 1)


def rates(folder: Path, space: Space, count: int) -> list[object]:
    """Return the learning rates of the next trials; the study is opened again for each."""
    return [run_trials(make_study(folder, space), 1)[0].values["learning_rate"] for _ in range(count)]


def test_the_total_counts_the_trials_of_earlier_runs(tmp_path: Path) -> None:
    run_trials(make_study(tmp_path / "demo"), 2)
    study = make_study(tmp_path / "demo")
    assert study.count_started() == 2
    assert take(study, total=3).number == 2
    assert study.next(3) is None


def test_if_the_total_is_already_reached_no_trial_starts(tmp_path: Path) -> None:
    run_trials(make_study(tmp_path / "demo"), 2)
    assert make_study(tmp_path / "demo").next(1) is None


@pytest.mark.parametrize("sampler", ["random", "tpe, startup_trials: 2"])
def test_opening_a_study_again_changes_no_proposal_and_repeats_none(tmp_path: Path, sampler: str) -> None:
    space = make_space(search=f"sampler: {sampler}, seed: 7")
    without = [trial.values["learning_rate"] for trial in run_trials(make_study(tmp_path / "a" / "demo", space), 5)]
    again = rates(tmp_path / "b" / "demo", space, 5)
    assert again == without
    assert len(set(again)) == 5


def test_another_seed_proposes_other_points(tmp_path: Path) -> None:
    first = rates(tmp_path / "a" / "demo", make_space(search="sampler: random, seed: 1"), 1)
    second = rates(tmp_path / "b" / "demo", make_space(search="sampler: random, seed: 2"), 1)
    assert first != second


def test_every_trial_has_its_own_seed(tmp_path: Path) -> None:
    trials = run_trials(make_study(tmp_path / "demo"), 3)
    assert [trial.config.seed for trial in trials] == [937182424, 1020188267, 183346246]


def test_start_points_come_first_in_their_order_with_their_origin(tmp_path: Path) -> None:
    trials = run_trials(make_study(tmp_path / "demo", make_space(more=START)), 3)
    assert [(trial.number, trial.origin) for trial in trials] == [
        (0, "start_from[0]"),
        (1, "start_from[1]"),
        (2, None),
    ]
    assert [trial.config.training.learning_rate for trial in trials[:2]] == [0.25, 0.5]


def test_start_points_wait_for_the_next_run_and_are_tried_once(tmp_path: Path) -> None:
    space = make_space(more=START)
    run_trials(make_study(tmp_path / "demo", space), 1)
    trials = run_trials(make_study(tmp_path / "demo", space), 2)
    assert [(trial.number, trial.origin) for trial in trials] == [(1, "start_from[1]"), (2, None)]


def test_a_recipe_is_a_start_point_with_its_file_as_origin(tmp_path: Path) -> None:
    (tmp_path / "slow.yaml").write_text(
        "data: {name: digits}\nmodel: {builder: vgg}\ntraining: {epochs: 4, learning_rate: 0.125}\n"
    )
    start = f"start_from: ['{tmp_path}/slow.yaml']"
    trial = take(make_study(tmp_path / "demo", make_space(more=start)))
    assert trial.origin == f"{tmp_path}/slow.yaml"
    assert trial.values == {"learning_rate": 0.125}


def test_another_space_is_refused_with_the_differences(tmp_path: Path) -> None:
    run_trials(make_study(tmp_path / "demo"), 1)
    changed = make_space(LINE.replace("high: 1.0", "high: 0.5"), search="sampler: tpe, pruner: {name: none}")
    with pytest.raises(StudyError) as caught:
        open_study(tmp_path / "demo", changed, threads=1, check_folder=lambda: None)
    assert str(caught.value) == (
        "the study demo was started with another space:\n"
        "  training.learning_rate.high: 1.0 -> 0.5\n"
        "  search.sampler: random -> tpe\n"
        "Use the old space, start another study with --study NAME, or copy the trials that still fit into a new study "
        "with --fork NAME"
    )


def test_keys_that_do_not_affect_earlier_trials_may_change(tmp_path: Path) -> None:
    run_trials(make_study(tmp_path / "demo"), 1)
    search = "sampler: random, pruner: {name: none}, trials: 500, keep_models: 0"
    search += ", failures: {nan: stop, bug: {retry: 1}}, watchdog: 0, memory_limit: 4G"
    changed = make_space(LINE.replace("study: demo", "study: other"), search)
    assert space_differences(make_space(), changed) == []
    assert take(make_study(tmp_path / "demo", changed)).number == 1


@pytest.mark.parametrize(
    ("old", "new"), [("epochs: 9", "epochs: 10"), ("[8, 16]", "[8, 16, 32]"), ("name: digits", "name: mnist")]
)
def test_every_other_change_is_a_difference(old: str, new: str) -> None:
    assert len(space_differences(make_space(TREE), make_space(TREE.replace(old, new)))) == 1


def test_the_stored_space_equals_the_original(tmp_path: Path) -> None:
    space = make_space(
        TREE, more="start_from: [{blocks: 1, filters_1: 8, use_l2: false, optimizer: adam, learning_rate: 0.5}]"
    )
    make_study(tmp_path / "demo", space)
    assert stored_space(tmp_path / "demo") == space


def test_the_error_about_a_missing_study_names_the_existing_ones(tmp_path: Path) -> None:
    with pytest.raises(StudyError) as caught:
        stored_space(tmp_path / "demo")
    assert str(caught.value) == (
        f"there is no study demo in {tmp_path}: there are no studies yet; `python -m sweep.run --space FILE` makes one"
    )
    make_study(tmp_path / "other")
    with pytest.raises(StudyError, match=f"there is no study demo in {tmp_path}; existing studies: other$"):
        stored_space(tmp_path / "demo")


def test_a_grid_gives_every_point_once_and_then_ends(tmp_path: Path) -> None:
    space = make_space(GRID, "sampler: grid, pruner: {name: none}")
    seen: list[Mapping[str, object]] = []
    study = make_study(tmp_path / "demo", space)
    while (pending := study.next(1000)) is not None:
        seen.append(pending.values)
        study.finish(record_for(study, pending))
        if len(seen) == 10:
            study = make_study(tmp_path / "demo", space)  # resumed half-way
    assert len(seen) == GRID_POINTS
    assert [dict(values) for values in seen] == list(space.grid())
    assert make_study(tmp_path / "demo", space).next(1000) is None


def test_a_grid_does_not_repeat_its_start_points(tmp_path: Path) -> None:
    space = make_space(
        LINE.replace("{low: 1.0e-4, high: 1.0, log: true}", "[0.5, 0.25, 0.125]"),
        "sampler: grid",
        "start_from: [{learning_rate: 0.25}]",
    )
    study = make_study(tmp_path / "demo", space)
    assert [trial.values["learning_rate"] for trial in run_trials(study, 3)] == [0.25, 0.5, 0.125]
    assert study.next(1000) is None


def test_a_grid_with_two_trials_at_a_time_repeats_no_point(tmp_path: Path) -> None:
    space = make_space(LINE.replace("{low: 1.0e-4, high: 1.0, log: true}", "[0.5, 0.25]"), "sampler: grid")
    study = make_study(tmp_path / "demo", space)
    assert [take(study).values["learning_rate"] for _ in range(2)] == [0.5, 0.25]
    assert study.next(1000) is None


def test_a_huge_grid_opens_immediately(tmp_path: Path) -> None:
    text = TREE.replace("{low: 1.0e-4, high: 1.0, log: true}", "{low: 0.001, high: 1.0, step: 0.001}")
    text = text.replace("{low: 1.0e-6, high: 1.0e-2, log: true, or: 0}", "{low: 0.001, high: 1.0, step: 0.001}")
    text = text.replace("momentum: {low: 0.8, high: 0.99, when", "momentum: {low: 0.1, high: 0.9, step: 0.1, when")
    trial = take(make_study(tmp_path / "demo", make_space(text, "sampler: grid")))
    assert trial.values["learning_rate"] == 0.001


def test_a_recipe_is_repeated_up_to_the_total(tmp_path: Path) -> None:
    space = make_space(LINE.replace("{low: 1.0e-4, high: 1.0, log: true}", "0.5"), "sampler: grid")
    trials = run_trials(make_study(tmp_path / "demo", space), 2)
    assert [trial.values for trial in trials] == [{}, {}]
    assert trials[0].config.seed != trials[1].config.seed


def test_a_study_without_trials_accepts_another_space(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    make_study(folder, make_space(more="start_from: [{learning_rate: 0.5}]"))

    study = open_study(folder, make_space(search="sampler: random, seed: 3"), threads=1, check_folder=lambda: None)

    assert (study.count_started(), study.space.search.seed) == (0, 3)
    assert take(study).number == 0


def test_a_database_whose_creation_was_interrupted_is_created_again(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    (folder / ".making").mkdir(parents=True)
    (folder / ".making" / "study.db").write_bytes(b"half of it")
    study = open_study(folder, make_space(), threads=1, check_folder=lambda: None)
    assert study.count_started() == 0
    assert sorted(path.name for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm"))) == ["study.db"]


@pytest.mark.parametrize("step", ["create_in_storage", "complete_new_study", "move_into_place"])
def test_a_kill_while_a_study_without_trials_gets_another_space_leaves_nothing_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    make_study(tmp_path / "demo").close()
    other = make_space(search="sampler: random, seed: 3")

    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(open_study_module, step, killed)
    with pytest.raises(KeyboardInterrupt):
        open_study(tmp_path / "demo", other, threads=1, check_folder=lambda: None)
    monkeypatch.undo()
    study = open_study(tmp_path / "demo", other, threads=1, check_folder=lambda: None)
    assert (study.count_started(), study.space.search.seed) == (0, 3)
