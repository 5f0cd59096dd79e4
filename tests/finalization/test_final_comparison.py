from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.errors import NothingFinished, StudyError, SweepStopped
from sweep.execution.executor import Task
from sweep.finalization.repeats import RepeatTask
from sweep.records.trial_record import TrialRecord, read_record
from sweep.records.trial_result import OnEpoch, TrialResult
from tests.finalization.conftest import Scripted

Finalist = Callable[..., TrialRecord]
Make = Callable[..., Scripted]
CLEAR = {0: (0.90, 0.91, 0.92, 0.90), 1: (0.80, 0.81, 0.82, 0.80)}
EVEN = {0: (0.90, 0.92, 0.90, 0.92), 1: (0.915, 0.915, 0.915, 0.915)}


def never() -> bool:
    return False


def forever() -> float:
    return float("inf")


def test_rounds_end_when_one_is_separated(scripted: Make, finalist: Finalist) -> None:
    run = scripted(CLEAR)
    outcome = run.comparison(finalist(0), finalist(1)).run(10, never, forever)

    assert (outcome.ended, outcome.rounds, outcome.judgement.recommended) == ("separated", 3, 0)
    assert outcome.scores == {0: (0.90, 0.91, 0.92), 1: (0.80, 0.81, 0.82)}
    assert [(trial, number) for trial, number, _ in run.reported] == [(0, 1), (1, 1), (0, 2), (1, 2), (0, 3), (1, 3)]


def test_a_round_has_one_seed_and_one_split_for_all_and_the_next_has_others(scripted: Make, finalist: Finalist) -> None:
    run = scripted(CLEAR)
    run.comparison(finalist(0), finalist(1)).run(2, never, forever)

    seeds = [task.config.seed for task in run.tasks]
    splits = [task.split for task in run.tasks if isinstance(task, RepeatTask)]
    assert seeds[0] == seeds[1] != seeds[2] == seeds[3] != 42
    assert splits[0] == splits[1] != splits[2] == splits[3]
    digests = [read_record(task.folder).data.split for task in run.tasks]
    assert digests[0] == digests[1] != digests[2] == digests[3]


def test_a_tie_continues_to_the_last_round_and_recommends_the_smaller(scripted: Make, finalist: Finalist) -> None:
    outcome = scripted(EVEN).comparison(finalist(0, parameters=9000), finalist(1, parameters=70)).run(4, never, forever)

    assert (outcome.ended, outcome.rounds) == ("repeats", 4)
    assert (outcome.judgement.verdict, outcome.judgement.leader, outcome.judgement.recommended) == ("tie", 1, 1)


def test_a_finalist_that_is_clearly_behind_is_not_trained_again(scripted: Make, finalist: Finalist) -> None:
    run = scripted({**EVEN, 2: (0.5, 0.51, 0.5, 0.51)})
    outcome = run.comparison(finalist(0), finalist(1), finalist(2)).run(4, never, forever)

    assert outcome.dropped == {2: "behind after round 3 (paired t-test, 1%)"}
    assert [len(outcome.scores[trial]) for trial in (0, 1, 2)] == [4, 4, 3]
    assert [standing.trial for standing in outcome.judgement.standings] == [1, 0]


def test_a_finalist_that_fails_is_dropped_with_its_cause(scripted: Make, finalist: Finalist) -> None:
    outcome = scripted({0: (0.9, "nan"), 1: (0.8, 0.8)}).comparison(finalist(0), finalist(1)).run(2, never, forever)

    assert outcome.dropped == {0: "failed in round 2: nan"}
    assert outcome.judgement.recommended == 1


def test_if_all_fail_nothing_is_finished(scripted: Make, finalist: Finalist) -> None:
    with pytest.raises(NothingFinished, match=r"every finalist failed .*: trial 0: failed in round 1: oom"):
        scripted({0: ("oom",)}).comparison(finalist(0)).run(3, never, forever)


def test_what_an_interrupted_run_has_trained_is_not_trained_again(scripted: Make, finalist: Finalist) -> None:
    first = scripted(EVEN)
    stops = iter([False] * 5 + [True] * 3)
    outcome = first.comparison(finalist(0), finalist(1)).run(3, lambda: next(stops), forever)
    assert (outcome.ended, outcome.rounds, len(first.tasks)) == ("stopped", 1, 3)

    second = scripted(EVEN)
    outcome = second.comparison(finalist(0), finalist(1)).run(3, never, forever)
    assert (outcome.ended, outcome.rounds) == ("repeats", 3)
    assert [(task.number, task.folder.name) for task in second.tasks] == [(1, "02"), (0, "03"), (1, "03")]


def test_a_repeat_that_was_killed_is_tried_again_and_one_with_nan_is_not(scripted: Make, finalist: Finalist) -> None:
    run = scripted({0: (0.9,), 1: (["killed", "oom", 0.8],), 2: (["nan", 0.7],)})
    outcome = run.comparison(finalist(0), finalist(1), finalist(2)).run(1, never, forever)

    assert [task.number for task in run.tasks] == [0, 1, 2, 1, 1]
    assert outcome.scores == {0: (0.9,), 1: (0.8,), 2: ()}
    assert outcome.dropped == {2: "failed in round 1: nan"}


def test_after_three_attempts_a_finalist_is_dropped_and_the_next_run_agrees(scripted: Make, finalist: Finalist) -> None:
    run = scripted({0: (0.9, 0.9), 1: (["killed"] * 3, 0.95)})
    run.comparison(finalist(0), finalist(1)).run(1, never, forever)
    again = scripted({0: (0.9, 0.9), 1: (0.95, 0.95)})
    outcome = again.comparison(finalist(0), finalist(1)).run(1, never, forever)

    assert [task.number for task in run.tasks] == [0, 1, 1, 1]
    assert again.tasks == []
    assert outcome.dropped == {1: "failed in round 1: killed"}


def test_missing_images_stop_the_comparison_and_drop_no_finalist(scripted: Make, finalist: Finalist) -> None:
    with pytest.raises(SweepStopped, match=r"trial 1 could not be trained again: as the script says\n.* not been open"):
        scripted({0: (0.9,), 1: ("data",)}).comparison(finalist(0), finalist(1)).run(1, never, forever)
    outcome = scripted({0: (0.9,), 1: (0.8,)}).comparison(finalist(0), finalist(1)).run(1, never, forever)
    assert outcome.dropped == {}


def test_a_round_that_would_not_fit_into_the_budget_is_not_started(scripted: Make, finalist: Finalist) -> None:
    run = scripted(EVEN)
    # Each of the two finalists took 10 s in the search, on one worker: a round is expected to take 20 s.
    assert run.comparison(finalist(0), finalist(1)).run(3, never, lambda: 19.0).ended == "budget"
    assert run.tasks == []
    outcome = run.comparison(finalist(0), finalist(1)).run(1, never, lambda: 21.0)
    assert (outcome.ended, outcome.rounds) == ("repeats", 1)


def test_without_rounds_the_search_decides_and_the_verdict_is_not_repeated(scripted: Make, finalist: Finalist) -> None:
    outcome = scripted(EVEN).comparison(finalist(1, 0.95), finalist(0)).run(0, never, forever)

    assert (outcome.judgement.verdict, outcome.judgement.recommended) == ("not repeated", 1)


def test_folds_are_judged_after_whole_passes_and_hold_out_every_image_once(scripted: Make, finalist: Finalist) -> None:
    script = {0: (0.9, 0.91, 0.92, 0.9, 0.91), 1: (0.5, 0.51, 0.52, 0.5, 0.51)}
    run = scripted(script, 5)
    outcome = run.comparison(finalist(0), finalist(1)).run(10, never, forever)

    assert (outcome.ended, outcome.rounds) == ("separated", 5)
    splits = {task.split for task in run.tasks if isinstance(task, RepeatTask)}
    assert sorted(split.fold for split in splits) == [0, 1, 2, 3, 4]
    assert len({split.seed for split in splits}) == 1


@pytest.mark.parametrize(("most", "rounds", "verdict"), [(3, 0, "not repeated"), (7, 5, "tie")])
def test_an_interrupted_pass_over_the_folds_is_not_judged(
    scripted: Make, finalist: Finalist, most: int, rounds: int, verdict: str
) -> None:
    # The rounds of the interrupted pass would separate the second one.
    script = {0: (0.9, 0.91, 0.92, 0.9, 0.91, 0.1, 0.1), 1: (0.91, 0.9, 0.92, 0.91, 0.9, 0.9, 0.9)}
    outcome = scripted(script, 5).comparison(finalist(0), finalist(1)).run(most, never, forever)

    assert (outcome.rounds, outcome.judgement.verdict, len(outcome.scores[0])) == (rounds, verdict, rounds)


@pytest.mark.parametrize(
    "disturb", [shutil.rmtree, lambda folder: folder.rename(folder.with_name("moved"))], ids=["removed", "moved"]
)
def test_no_repeat_is_recorded_after_the_study_was_moved(
    scripted: Make, finalist: Finalist, disturb: Callable[[Path], object]
) -> None:
    run = scripted(CLEAR)

    def stop() -> bool:
        if len(run.reported) == 2 and run.plan.folder.exists():  # after the first round
            disturb(run.plan.folder)
        return False

    with pytest.raises(StudyError, match=r"^the study's folder .*/studies/demo \(or its supervisor\.lock\) was moved"):
        run.comparison(finalist(0), finalist(1)).run(10, stop, forever)
    assert not run.plan.folder.exists()
    assert len(run.tasks) == 2


def test_a_repeat_that_ends_after_the_study_was_replaced_is_not_recorded_in_the_other_study(
    scripted: Make, finalist: Finalist, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = scripted(CLEAR)
    study, train = run.plan.folder, run._train

    def replace_and_train(task: Task, on_epoch: OnEpoch) -> TrialResult:
        study.rename(study.with_name("moved"))
        task.folder.mkdir(parents=True)  # as in another run of `finalize`
        return train(task, on_epoch)

    monkeypatch.setattr(run, "_train", replace_and_train)
    with pytest.raises(StudyError, match=r"was moved, removed or replaced while this process held it"):
        run.comparison(finalist(0), finalist(1)).run(10, never, forever)
    assert [path for path in study.rglob("*") if path.is_file()] == []
    assert run.reported == []
