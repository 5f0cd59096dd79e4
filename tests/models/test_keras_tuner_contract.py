"""The same definitions on KerasTuner's own HyperParameters and on ours: both must see one space."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import pytest

from sweep.models.hypermodel_discovery import discover
from sweep.models.hyperparameters import ChosenHyperParameters, hp_types, plain_hyperparameter
from sweep.records.image_facts import ImageFacts
from sweep.space.corners import draw
from sweep.space.hypermodel_space import Discovery, complete
from sweep.space.model_sections import HypermodelConfig
from sweep.space.parameters import Choice, FloatRange, IntRange
from sweep.space.reader import space_from_text
from sweep.space.space import Space

Define = Callable[[Any], Any]
FACTS = ImageFacts((2, 2, 1), 3, (0.5,), (0.25,))


def numbers(hp: Any) -> None:
    hp.Int("int", 3, 9)
    hp.Int("int_step", 6, 13, step=3, default=9)
    hp.Int("int_log", 1, 100, sampling="log")
    hp.Int("int_series", 2, 32, step=2, sampling="log")
    hp.Int("int_reverse", 1, 100, sampling="reverse_log", default=90)
    hp.Float("float", 0, 1)
    hp.Float("float_step", 0, 1, step=0.25, default=0.5)
    hp.Float("float_log", 1e-4, 1e-1, sampling="log", default=1e-3)
    hp.Float("float_series", 0.001, 10.0, step=10, sampling="log")
    hp.Float("float_reverse", 0.01, 1.0, sampling="reverse_log")


def choices(hp: Any) -> None:
    hp.Choice("words", ["a", "b", "c"], default="b")
    hp.Choice("ordered", [1, 2, 4], ordered=True)
    hp.Choice("unordered", [0.5, 0.1], ordered=False)
    hp.Choice("switch", [True, False])
    hp.Boolean("yes", default=True)
    hp.Boolean("no")
    hp.Fixed("fixed", 7)


def scopes(hp: Any) -> None:
    hp.Choice("model", ["mlp", "cnn", "rnn"])
    with hp.conditional_scope("model", ["mlp", "rnn"]):
        hp.Int("units", 8, 64, step=8)
        hp.Boolean("deep")
        with hp.conditional_scope("deep", [True]):
            hp.Int("layers", 2, 5)
    with hp.conditional_scope("model", "cnn"):
        hp.Choice("filters", [4, 8])
    hp.Float("rate", 0.1, 0.5, parent_name="model", parent_values=["cnn", "rnn"])
    hp.Choice("number", [True, False])
    hp.Int("after", 1, 3, parent_name="number", parent_values=[True])


def names(hp: Any) -> None:
    with hp.name_scope("block"):
        hp.Boolean("on", default=True)
        with hp.name_scope("inner"):
            hp.Int("width.of", 1, 3)
        with hp.conditional_scope("on", [True]):
            hp.Int("size", 1, 5)


def variants(hp: Any) -> None:
    hp.Choice("size", ["small", "large"])
    hp.Int("units", 1, 8, default=4, parent_name="size", parent_values=["small"])
    hp.Int("units", 100, 800, step=100, parent_name="size", parent_values=["large"])


DEFINITIONS = [numbers, choices, scopes, names, variants]


class Theirs:
    """KerasTuner's own view of a definition, by its own search for the whole space."""

    def __init__(self, define: Define, folder: Path) -> None:
        self.oracle = keras_tuner.oracles.RandomSearchOracle(objective="val_loss", max_trials=30, seed=1)
        base = keras_tuner.engine.base_tuner.BaseTuner
        base(self.oracle, define, directory=str(folder), project_name="contract")
        self.space = self.oracle.get_space().space

    def points(self) -> list[dict[str, Any]]:
        """Values of KerasTuner's random search."""
        trials = [self.oracle.create_trial(f"tuner{number}") for number in range(15)]
        # A small space may have no further points.
        return [dict(trial.hyperparameters.values) for trial in trials if trial.status != "STOPPED"]

    def active(self, values: dict[str, Any]) -> set[str]:
        """What KerasTuner takes for active; of two with one name its random search loses the value."""
        hp = self.oracle.get_space()
        hp.values = values
        return {each.name for each in self.space if hp.is_active(each.name)}


class Ours:
    """Our view of it."""

    def __init__(self, define: Define, monkeypatch: pytest.MonkeyPatch) -> None:
        model = keras.Sequential(
            [keras.Input(FACTS.shape), keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")]
        )

        def build(hp: Any) -> keras.Model:
            define(hp)
            return model  # always the same: only the definitions count here

        monkeypatch.setattr("sweep.models.hypermodels.load_user_code", lambda _: build)
        self.found: Discovery = discover(HypermodelConfig(hypermodel="m:build"), FACTS, {})
        bare = space_from_text("model: {hypermodel: 'keras_tuner:HyperModel'}\n", "s.yaml")
        self.space: Space = complete(bare, self.found)

    def active(self, values: dict[str, Any]) -> set[str]:
        """Names in KerasTuner of what is active at a point of KerasTuner's."""
        return {plain_hyperparameter(p.name) for p in self.space.parameters if p.active(values)}


@pytest.fixture(scope="module", params=DEFINITIONS, ids=[define.__name__ for define in DEFINITIONS])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The definition, theirs, ours."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield request.param, Theirs(request.param, tmp_path_factory.mktemp("kt")), Ours(request.param, monkeypatch)


def test_both_have_the_same_names(both: Any) -> None:
    _, theirs, ours = both

    found = [plain_hyperparameter(name) for name in (*ours.found.defaults, *ours.found.fixed)]
    assert sorted(found) == sorted(each.name for each in theirs.space)


def test_both_have_the_same_defaults(both: Any) -> None:
    _, theirs, ours = both

    found = [(plain_hyperparameter(n), v) for n, v in {**ours.found.defaults, **ours.found.fixed}.items()]
    assert sorted(found) == sorted((each.name, each.default) for each in theirs.space)


def test_both_have_the_same_ranges(both: Any) -> None:
    _, theirs, ours = both
    searched = [each for each in theirs.space if not isinstance(each, hp_types.Fixed)]

    for name, parameter in {p.name: p for p in ours.found.parameters}.items():
        same = [each for each in searched if each.name == plain_hyperparameter(name)]
        assert any(_agree(parameter, each) for each in same), name
    assert len(ours.found.parameters) == len(searched)


def _agree(parameter: Any, theirs: Any) -> bool:
    if isinstance(parameter, Choice):
        values = map(int, theirs.values) if isinstance(theirs, hp_types.Int) else theirs.values
        return sorted(map(str, parameter.choices)) == sorted(map(str, values))
    assert isinstance(parameter, IntRange | FloatRange)
    scale = "log" if parameter.log else "reverse_log" if parameter.reverse_log else "linear"
    last = theirs.max_value if theirs.step is None else max(theirs.values)
    return (parameter.low, parameter.high, scale) == (theirs.min_value, last, theirs.sampling)


def test_at_their_points_the_same_hyperparameters_are_active(both: Any) -> None:
    _, theirs, ours = both
    fixed = {plain_hyperparameter(name) for name in ours.found.fixed}

    points = theirs.points()
    assert len(points) >= 5
    for values in points:
        assert ours.active(values) == theirs.active(values) - fixed


def test_at_our_points_both_hand_out_the_same_values(both: Any) -> None:
    define, theirs, ours = both
    generator = random.Random(3)

    for _ in range(15):
        values = draw(ours.space, generator)
        chosen = ChosenHyperParameters(values)
        define(chosen)
        their_own = keras_tuner.HyperParameters.from_config(theirs.oracle.get_space().get_config())
        their_own.values = {plain_hyperparameter(n): v for n, v in {**values, **ours.found.fixed}.items()}
        handed: dict[str, Any] = {}
        define(_Noting(their_own, handed))
        assert chosen.unread == []
        assert {n: v for n, v in chosen.read.items() if v is not None} == {
            n: v for n, v in handed.items() if v is not None
        }


class _Noting:
    """Notes what KerasTuner's HyperParameters hand out."""

    def __init__(self, hp: Any, handed: dict[str, Any]) -> None:
        self._hp, self._handed = hp, handed

    def __getattr__(self, kind: str) -> Any:
        attribute = getattr(self._hp, kind)
        if kind not in ("Int", "Float", "Choice", "Boolean"):
            return attribute

        def define(name: str, *arguments: Any, **named: Any) -> Any:
            value = attribute(name, *arguments, **named)
            if value is not None:
                self._handed[self._hp._get_name(name)] = value
            return value

        return define


def test_a_reversed_logarithm_is_dense_at_its_upper_end_in_both(both: Any) -> None:
    define, theirs, ours = both
    if define is not numbers:
        pytest.skip("only numbers have it")
    generator = random.Random(5)

    drawn: list[Any] = [draw(ours.space, generator)["float_reverse"] for _ in range(400)]
    our_share = sum(value > 0.9 for value in drawn) / 400
    their_own = next(each for each in theirs.space if each.name == "float_reverse")
    their_share = sum(their_own.random_sample(seed) > 0.9 for seed in range(400)) / 400

    assert our_share == pytest.approx(0.5, abs=0.1)  # log(0.1 / 0.01) / log(1 / 0.01)
    assert their_share == pytest.approx(0.5, abs=0.1)
