from __future__ import annotations

from sweep.space.reader import space_from_text
from sweep.space.writer import Difference, differences, space_to_mapping, space_to_yaml

TEXT = """\
study: small
data: {name: digits}
model:
  builder: vgg
  blocks: {low: 1, high: 3}
  filters: {each: blocks, choices: [8, 16]}
  batch_norm: [true, false]
  dropout: {schedule: listed, rates: {fixed: [0.1, 0.2, 0.3]}}
  l2: {low: 1e-6, high: 1e-2, log: true, or: 0, when: {batch_norm: true}}
training:
  early_stopping: {}
search: {trials: 7}
start_from:
  - {blocks: 1, filters_1: 8, batch_norm: false}
"""

WRITTEN = """\
study: small
data: {name: digits}
model:
  builder: vgg
  dropout:
    schedule: listed
    rates:
      fixed: [0.1, 0.2, 0.3]
  l2:
    low: 1e-06
    high: 0.01
    log: true
    or: 0.0
    when:
      model.batch_norm: [true]
  blocks: {low: 1, high: 3}
  filters:
    each: blocks
    choices: [8, 16]
  batch_norm:
    choices: [true, false]
training:
  early_stopping: {}
search:
  objective: val_accuracy
  direction: maximize
  sampler: tpe
  startup_trials: 10
  pruner: {name: median, startup_trials: 5, warmup_epochs: 5, percentile: 50.0, patience: 5, reduction_factor: 3, audit: 0.0, grace_after_drop: 0}
  trials: 7
  seed: 0
  keep_models: 3
  failures:
    nan: infeasible
    oom: infeasible
    too_large: infeasible
    infeasible: infeasible
    timeout: fail
    killed: {retry: 3}
    data: stop
    bug: fail
  watchdog: 10.0
start_from:
- {blocks: 1, filters_1: 8, batch_norm: false}
"""  # noqa: E501 - the writer decides where a line ends


def test_a_space_is_written_completely() -> None:
    assert space_to_yaml(space_from_text(TEXT, "s.yaml")) == WRITTEN


def test_a_written_space_reads_as_the_same_space() -> None:
    assert space_from_text(WRITTEN, "s.yaml") == space_from_text(TEXT, "s.yaml")


def difference(old: str, new: str) -> list[str]:
    return [
        str(item)
        for item in differences(
            space_to_mapping(space_from_text(old, "s.yaml")), space_to_mapping(space_from_text(new, "s.yaml"))
        )
    ]


def test_equal_spaces_have_no_differences() -> None:
    assert difference(TEXT, TEXT) == []
    assert difference("model: {builder: vgg, l2: 0, blocks: 2}", "model: {blocks: 2, builder: vgg, l2: 0.0}") == []


def test_each_key_that_differs_is_named_with_both_values() -> None:
    assert difference(
        "model: {builder: vgg, blocks: 2, dense_units: {low: 8, high: 64}}\nsearch: {seed: 1}",
        "model: {builder: vgg, blocks: [1, 2], dense_units: {low: 8, high: 32, log: true}, l2: 0.1}\nsearch: {seed: 2}",
    ) == [
        "model.blocks: 2 -> <absent>",
        "model.dense_units.high: 64 -> 32",
        "search.seed: 1 -> 2",
        "model.l2: <absent> -> 0.1",
        "model.blocks.choices: <absent> -> [1, 2]",
        "model.dense_units.log: <absent> -> True",
    ]


def test_an_empty_section_differs_from_no_section() -> None:
    assert difference("model: {builder: vgg}", "model: {builder: vgg}\ntraining: {early_stopping: {}}") == [
        "training.early_stopping: <absent> -> {}"
    ]


def test_a_condition_that_changes_is_a_difference() -> None:
    text = "model: {builder: vgg, blocks: [1, 2], dense_units: {choices: [8, 9], when: {blocks: %s}}}"
    assert difference(text % 1, text % 2) == ["model.dense_units.when.model.blocks: [1] -> [2]"]


def test_true_and_one_differ() -> None:
    assert differences({"a": True}, {"a": 1}) == [Difference("a", "True", "1")]


def test_equal_lists_are_each_written_out() -> None:
    text = "model: {builder: vgg, blocks: {low: 1, high: 2}, filters: {each: blocks, choices: [[8, 16], [8, 16]]}}"
    space = space_from_text(text, "t.yaml")
    assert space_from_text(space_to_yaml(space), "t.yaml") == space
