from __future__ import annotations

from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import pytest

from sweep.bridges.to_keras_tuner import SpaceHyperModel, decoded, encoded, hypermodel, objective_of
from sweep.data.dataset import Dataset
from sweep.data.loading import load
from sweep.data.preparation import prepare
from sweep.errors import UserError
from sweep.records.array_types import UInt8Array
from sweep.space.parameters import Choice
from sweep.space.reader import space_from_text
from sweep.space.space import Space

TEXT = """
study: out
data: {name: digits, limit: 100, validation: 0.2}
model:
  builder: vgg
  blocks: [1, 2]
  filters: {each: blocks, choices: [2, 4]}
  convolutions_per_block: 1
  batch_norm: [true, false]
  dense_units: 8
  l2: {low: 1e-6, high: 1e-2, log: true, or: 0}
  dropout: {head: [null, 0.5]}
training:
  epochs: 2
  batch_size: 32
  optimizer: [sgd, adam]
  momentum: {low: 0.8, high: 0.9, step: 0.05, when: {optimizer: sgd}}
  learning_rate: {low: 1e-3, high: 1e-1, log: true}
"""


@pytest.fixture(scope="module")
def space() -> Space:
    return space_from_text(TEXT, "s.yaml")


@pytest.fixture(scope="module")
def digits(space: Space, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    config = space.data
    return load(prepare(config, tmp_path_factory.mktemp("cache")), config)


@pytest.fixture(scope="module")
def out(space: Space, digits: Dataset) -> SpaceHyperModel:
    return hypermodel(space, digits)


def test_the_public_path_offers_the_same() -> None:
    from sweep.bridges import to_keras_tuner
    from sweep.models import keras_tuner as public

    assert dir(public) == ["SpaceHyperModel", "decoded", "encoded", "hypermodel", "objective_of"]
    for name in dir(public):
        assert getattr(public, name) is getattr(to_keras_tuner, name)
    with pytest.raises(AttributeError, match=r"'sweep.models.keras_tuner' has no attribute 'hypermodels'"):
        _ = public.hypermodels


def test_every_parameter_is_defined_and_conditions_become_scopes(out: SpaceHyperModel) -> None:
    hp = keras_tuner.HyperParameters()
    values = out.values(hp)
    scopes = {each.name: [(c.name, c.values) for c in each.conditions] for each in hp.space}

    assert scopes == {
        "blocks": [],
        "filters_1": [],
        "filters_2": [("blocks", [2])],
        "batch_norm": [],
        "dropout_head": [],
        "use_l2": [],
        "l2": [("use_l2", [True])],
        "optimizer": [],
        "momentum": [("optimizer", ["sgd"])],
        "learning_rate": [],
    }
    assert values.keys() == scopes.keys() - {"filters_2"}
    assert values["dropout_head"] is None


def test_each_point_of_kerastuner_is_a_point_of_the_space(out: SpaceHyperModel, space: Space, tmp_path: Path) -> None:
    oracle = keras_tuner.oracles.RandomSearchOracle(objective=objective_of(space), max_trials=30, seed=3)
    keras_tuner.engine.base_tuner.BaseTuner(oracle, lambda hp: out.values(hp), directory=str(tmp_path))

    points = [out.values(oracle.create_trial(f"tuner{n}").hyperparameters) for n in range(20)]

    assert [space.faults(values) for values in points] == [[]] * 20
    assert {values["optimizer"] for values in points} == {"sgd", "adam"}


@pytest.mark.parametrize("choices", [(None, 0.5), (True, False), (1, True), ("a", "b"), (1, 2.5)])
def test_a_value_that_kerastuner_cannot_hold_comes_back_as_it_was(choices: tuple[Any, ...]) -> None:
    parameter = Choice("a", (), choices=choices)

    assert [decoded(parameter, encoded(parameter, choice)) for choice in choices] == list(choices)
    assert len({type(encoded(parameter, choice)) for choice in choices}) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "tuner",
    [
        keras_tuner.RandomSearch,
        pytest.param(keras_tuner.BayesianOptimization, marks=pytest.mark.long),
        pytest.param(keras_tuner.Hyperband, marks=pytest.mark.long),
    ],
)
def test_kerastuners_tuners_search_the_space(
    tuner: Any, out: SpaceHyperModel, space: Space, digits: Dataset, tmp_path: Path
) -> None:
    limit = {"max_epochs": 2, "factor": 2, "hyperband_iterations": 1} if tuner is keras_tuner.Hyperband else {}
    search = tuner(out, objective=objective_of(space), seed=1, directory=str(tmp_path), project_name="p", **limit)
    search.oracle.max_trials = 2

    search.search(verbose=0)

    trials = search.oracle.get_best_trials(2)
    assert len(trials) == 2
    assert all(0 <= trial.score <= 1 for trial in trials)
    model = search.get_best_models(1)[0]
    assert isinstance(_outputs(model, digits.validation.all_images()), np.ndarray)


class FitSeen:
    """Stands for a model and keeps what `fit` receives."""

    def fit(self, x: Any, **keywords: Any) -> None:
        self.x, self.keywords = x, keywords


@pytest.mark.parametrize(("weights", "elements"), [("none", 2), ("balanced", 3)])
def test_classes_are_weighed_as_the_space_says(digits: Dataset, weights: str, elements: int) -> None:
    space = space_from_text(f"{TEXT}  class_weights: {weights}\n", "s.yaml")
    seen = FitSeen()

    hypermodel(space, digits).fit(keras_tuner.HyperParameters(), seen)

    assert len(seen.x.element_spec) == elements
    assert len(seen.keywords["validation_data"].element_spec) == 2


def _outputs(model: Any, images: UInt8Array) -> Any:
    return np.asarray(model(images))


def test_images_given_to_search_are_refused(out: SpaceHyperModel) -> None:
    with pytest.raises(TypeError, match="the images are those of the space's section `data`"):
        out.fit(keras_tuner.HyperParameters(), None, np.zeros(1))


def test_a_space_about_a_hypermodel_is_refused(digits: Dataset) -> None:
    space = space_from_text("data: {name: digits}\nmodel: {hypermodel: 'keras_tuner:HyperModel'}\n", "s.yaml")
    with pytest.raises(UserError, match="is a hypermodel already: pass it to the tuner directly"):
        hypermodel(space, digits)
