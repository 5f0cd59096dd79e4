from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.data.schema import TensorDatasetSchema

from sweep.records.curve_findings import CurveFinding
from sweep.records.trial_record import TrialRecord, TrialState
from sweep.space.config import DataConfig
from sweep.tracking.run_entry import (
    MetricPoint,
    dataset_entry,
    ended_at,
    shorten,
    trial_entry,
    trial_name,
    trial_params,
    trial_points,
)

MakeRecord = Callable[..., TrialRecord]
TEN = 1735812000000  # 2025-01-02T10:00:00+00:00


def test_every_sampled_value_is_a_param_under_its_plain_name(make_record: MakeRecord) -> None:
    assert trial_params(make_record()) == {
        "learning_rate": "0.001",
        "blocks": "3",
        "batch_norm": "true",
        "head": "none",
    }


def test_a_param_is_cut_at_six_thousand_characters_and_its_key_has_only_characters_that_mlflow_accepts(
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


def test_the_name_of_a_run_has_the_number_and_the_outcome_of_the_trial(make_record: MakeRecord) -> None:
    records = [
        make_record(7, "complete", epochs=4, objective_value=0.91349),
        make_record(12, "pruned", epochs=3),
        make_record(3, "failed", reason="nan"),
        make_record(5),
        make_record(6, "interrupted", epochs=1),
    ]
    assert [trial_name(record) for record in records] == [
        "0007 0.913",
        "0012 pruned@3",
        "0003 failed nan",
        "0005 running",
        "0006 interrupted",
    ]


def test_a_loss_in_a_name_has_four_digits_wherever_its_point_is(make_record: MakeRecord) -> None:
    config = dataclasses.replace(make_record().config, objective="val_loss")
    losses = [0.000123456, 12.34567]
    records = [make_record(1, "complete", epochs=1, config=config, objective_value=loss) for loss in losses]
    assert [trial_name(record) for record in records] == ["0001 0.0001235", "0001 12.35"]


def test_epochs_are_timed_from_the_start_by_their_seconds(make_record: MakeRecord) -> None:
    assert trial_points(make_record(epochs=2))[:10] == (
        MetricPoint("loss", 2.0, TEN + 1500, 1),
        MetricPoint("accuracy", 0.25, TEN + 1500, 1),
        MetricPoint("val_loss", 2.5, TEN + 1500, 1),
        MetricPoint("val_accuracy", 0.5, TEN + 1500, 1),
        MetricPoint("learning_rate", 0.001, TEN + 1500, 1),
        MetricPoint("loss", 1.0, TEN + 3000, 2),
        MetricPoint("accuracy", 0.5, TEN + 3000, 2),
        MetricPoint("val_loss", 1.25, TEN + 3000, 2),
        MetricPoint("val_accuracy", 0.625, TEN + 3000, 2),
        MetricPoint("learning_rate", 0.001, TEN + 3000, 2),
    )


@pytest.mark.parametrize("state", ["complete", "pruned"])
def test_a_ranked_trial_has_its_objective_at_the_best_epoch(make_record: MakeRecord, state: TrialState) -> None:
    assert trial_points(make_record(state=state, epochs=4))[-3:] == (
        MetricPoint("parameters", 1234.0, TEN, 0),
        MetricPoint("objective", 0.75, TEN + 30000, 3),
        MetricPoint("best_epoch", 3.0, TEN + 30000, 3),
    )


@pytest.mark.parametrize("state", ["running", "interrupted", "failed"])
def test_any_other_trial_has_no_objective_yet(make_record: MakeRecord, state: TrialState) -> None:
    keys = {point.key for point in trial_points(make_record(state=state, epochs=4, objective_value=0.75))}
    assert keys == {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "parameters"}


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
    assert trial_entry(make_record(state=state), "parent", "1" * 32).status == status


def test_the_findings_of_a_trials_curves_are_a_tag(make_record: MakeRecord) -> None:
    finding = CurveFinding("under-fitting", "accuracy in training is 0.3")
    record = make_record(7, "complete", diagnosis=(finding,))
    assert trial_entry(record, "abc", "1" * 32).tags["sweep.diagnosis"] == "under-fitting: accuracy in training is 0.3"


def test_tags_identify_a_trial_and_give_the_reason_of_its_end(make_record: MakeRecord) -> None:
    record = make_record(7, "failed", reason="oom")
    assert trial_entry(record, "abc", "1" * 32).tags == {
        "mlflow.parentRunId": "abc",
        "sweep.kind": "trial",
        "sweep.study": "demo",
        "sweep.study_id": "1" * 32,
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
