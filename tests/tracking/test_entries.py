from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.data.schema import TensorDatasetSchema

from sweep.space.config import DataConfig
from sweep.study.records import TrialRecord, TrialState
from sweep.tracking.entries import (
    Outcome,
    Point,
    dataset_entry,
    ended_at,
    records_status,
    shorten,
    study_entry,
    trial_entry,
    trial_params,
    trial_points,
)
from sweep.tracking.tracker import StudyInfo

MakeRecord = Callable[..., TrialRecord]
TEN = 1735812000000  # 2025-01-02T10:00:00+00:00


def test_every_sampled_value_is_a_param_under_its_plain_name(make_record: MakeRecord) -> None:
    assert trial_params(make_record()) == {
        "learning_rate": "0.001",
        "blocks": "3",
        "batch_norm": "true",
        "head": "none",
    }


def test_a_param_is_cut_at_six_thousand_characters_and_its_key_keeps_to_the_signs_of_mlflow(
    make_record: MakeRecord,
) -> None:
    params = trial_params(make_record(values={"filters[0]": "x" * 7000}))
    assert list(params) == ["filters_0_"]
    assert params["filters_0_"] == "x" * 5999 + "…"


@given(st.text("aß…", max_size=50), st.integers(1, 60))
def test_shortened_text_keeps_to_the_limit_and_short_text_stays(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert len(short) <= limit
    assert (short == text) == (len(text) <= limit)


def test_epochs_are_timed_from_the_start_by_their_seconds(make_record: MakeRecord) -> None:
    assert trial_points(make_record(epochs=2))[:10] == (
        Point("loss", 2.0, TEN + 1500, 1),
        Point("accuracy", 0.25, TEN + 1500, 1),
        Point("val_loss", 2.5, TEN + 1500, 1),
        Point("val_accuracy", 0.5, TEN + 1500, 1),
        Point("learning_rate", 0.001, TEN + 1500, 1),
        Point("loss", 1.0, TEN + 3000, 2),
        Point("accuracy", 0.5, TEN + 3000, 2),
        Point("val_loss", 1.25, TEN + 3000, 2),
        Point("val_accuracy", 0.625, TEN + 3000, 2),
        Point("learning_rate", 0.001, TEN + 3000, 2),
    )


@pytest.mark.parametrize("state", ["complete", "pruned"])
def test_a_ranked_trial_has_its_objective_at_the_best_epoch(make_record: MakeRecord, state: TrialState) -> None:
    assert trial_points(make_record(state=state, epochs=4))[-3:] == (
        Point("parameters", 1234.0, TEN, 0),
        Point("objective", 0.75, TEN + 30000, 3),
        Point("best_epoch", 3.0, TEN + 30000, 3),
    )


@pytest.mark.parametrize("state", ["running", "interrupted", "failed"])
def test_any_other_trial_has_no_objective_yet(make_record: MakeRecord, state: TrialState) -> None:
    keys = {point.key for point in trial_points(make_record(state=state, epochs=4, objective_value=0.75))}
    assert keys == {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "parameters"}


def test_an_objective_that_is_not_a_number_is_left_out(make_record: MakeRecord) -> None:
    points = trial_points(make_record(state="complete", epochs=4, objective_value=float("nan")))
    assert "objective" not in {point.key for point in points}


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("running", "RUNNING"),
        ("interrupted", "KILLED"),
        ("complete", "FINISHED"),
        ("pruned", "KILLED"),
        ("failed", "FAILED"),
    ],
)
def test_each_state_has_its_status(make_record: MakeRecord, state: TrialState, status: str) -> None:
    assert trial_entry(make_record(state=state), "parent", None).status == status


def test_a_trial_says_who_it_is_and_why_it_ended(make_record: MakeRecord) -> None:
    record = make_record(7, "failed", reason="oom")
    assert trial_entry(record, "abc", None).tags == {
        "mlflow.parentRunId": "abc",
        "sweep.kind": "trial",
        "sweep.study": "demo",
        "sweep.trial": "7",
        "sweep.state": "failed",
        "sweep.reason": "oom",
        "sweep.seed": "42",
    }


def test_a_record_without_an_end_ends_after_its_last_epoch(make_record: MakeRecord) -> None:
    assert ended_at(make_record(state="interrupted", epochs=4, finished=None)) == TEN + 6000
    assert ended_at(make_record(state="interrupted")) == TEN + 30000
    assert ended_at(make_record(state="running", epochs=4)) is None


def test_the_data_set_shows_digest_shape_counts_and_classes(make_record: MakeRecord) -> None:
    entry = dataset_entry(make_record())
    assert (entry.name, entry.digest) == ("cifar10", "d" * 36)
    assert (entry.source_type, entry.source) == ("code", '{"tags": {"sweep.data": "cifar10"}}')
    assert json.loads(entry.profile) == {
        "train": 45000,
        "validation": 5000,
        "classes": ["cat", "dog"],
        "split": "5" * 64,
    }
    schema = TensorDatasetSchema.from_dict(json.loads(entry.schema))
    assert schema.features.inputs[0].shape == (-1, 32, 32, 3)


def test_a_folder_of_images_is_named_by_its_last_part(make_record: MakeRecord) -> None:
    record = make_record()
    config = dataclasses.replace(record.config, data=DataConfig(name="photos/birds"))
    entry = dataset_entry(dataclasses.replace(record, config=config))
    assert (entry.name, entry.source_type, entry.source) == ("birds", "local", '{"uri": "photos/birds"}')


OUTCOMES = (
    Outcome(0, "complete", 0.5, 300),
    Outcome(1, "pruned", 0.25, 100),
    Outcome(2, "failed", None, 150),
    Outcome(3, "complete", 0.75, 200),
    Outcome(4, "running", None, None),
)


def test_the_study_counts_its_trials_by_state_and_names_the_best(info: StudyInfo) -> None:
    assert study_entry(info, OUTCOMES, "RUNNING", None).tags == {
        "sweep.kind": "study",
        "sweep.study": "demo",
        "sweep.objective": "val_accuracy",
        "sweep.folder": "studies/demo",
        "sweep.trials": "5",
        "sweep.trials.running": "1",
        "sweep.trials.interrupted": "0",
        "sweep.trials.complete": "2",
        "sweep.trials.pruned": "1",
        "sweep.trials.failed": "1",
        "sweep.best_trial": "3",
    }


def test_the_best_so_far_follows_the_order_in_which_trials_ended(info: StudyInfo) -> None:
    assert study_entry(info, OUTCOMES, "RUNNING", None).points == (
        Point("best_objective", 0.25, 100, 1),
        Point("best_objective", 0.75, 200, 2),
        Point("best_objective", 0.75, 300, 3),
    )


def test_with_a_loss_as_objective_the_lowest_is_the_best(info: StudyInfo) -> None:
    entry = study_entry(dataclasses.replace(info, objective="val_loss"), OUTCOMES, "RUNNING", None)
    assert entry.tags["sweep.best_trial"] == "1"
    assert [point.value for point in entry.points] == [0.25, 0.25, 0.25]


def test_of_equal_trials_the_first_is_the_best(info: StudyInfo) -> None:
    outcomes = (Outcome(5, "complete", 0.5, 10), Outcome(4, "complete", 0.5, 20))
    assert study_entry(info, outcomes, "RUNNING", None).tags["sweep.best_trial"] == "4"


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ((), "FINISHED"),
        (("complete", "failed"), "FINISHED"),
        (("complete", "interrupted"), "KILLED"),
        (("interrupted", "running"), "RUNNING"),
        (("failed", "failed"), "FAILED"),
    ],
)
def test_records_tell_how_the_study_stands(
    make_record: MakeRecord, states: tuple[TrialState, ...], status: str
) -> None:
    assert records_status(make_record(number, state) for number, state in enumerate(states)) == status
