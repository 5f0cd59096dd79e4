from __future__ import annotations

import dataclasses

import pytest

from sweep.errors import UserError
from sweep.space.hypermodel_space import DEFAULTS, Discovery, check_training, complete, middle
from sweep.space.parameters import Choice, Condition, FloatRange, IntRange, Parameter, mirrored
from sweep.space.reader import space_from_text
from sweep.space.space import Space
from sweep.space.writer import space_to_yaml

AT = ("model", "hyperparameters")
FOUND = Discovery(
    parameters=(
        Choice("kind", (*AT, "kind"), choices=("mlp", "cnn")),
        IntRange("a.b/units", (*AT, "a.b/units"), (Condition("kind", ("mlp",)),), low=8, high=32, step=8),
        FloatRange("rate", (*AT, "rate"), (Condition("a.b/units", (8, 16)),), low=0.1, high=0.5, reverse_log=True),
        FloatRange("lr", (*AT, "lr"), low=1e-4, high=1e-2, log=True),
    ),
    fixed={"momentum": 0.9},
    defaults={"kind": "mlp", "a.b/units": 16, "rate": 0.1, "lr": 1e-3},
    unused={"optimizer": "it compiles its model itself"},
)


def space(model: str = "", rest: str = "") -> Space:
    return space_from_text(f"model: {{hypermodel: 'keras_tuner:HyperModel'{model}}}\n{rest}", "s.yaml")


def test_found_hyperparameters_become_parameters_and_their_defaults_the_first_point() -> None:
    made = complete(space(), FOUND)

    assert made.parameters == FOUND.parameters
    assert made.template["model"]["hyperparameters"] == {"momentum": 0.9}
    assert made.start_from[0].name == DEFAULTS
    assert made.start_from[0].values == {"kind": "mlp", "a.b/units": 16, "rate": 0.1, "lr": 1e-3}


def test_a_completed_space_is_the_same_after_writing_and_reading() -> None:
    made = complete(space(rest="training: {batch_size: [16, 32]}\n"), FOUND)

    assert space_from_text(space_to_yaml(made), "s.yaml") == made


def test_a_file_narrows_and_fixes_found_hyperparameters() -> None:
    made = complete(space(", hyperparameters: {kind: mlp, 'a.b/units': [8, 32]}"), FOUND)

    assert made.parameters == (
        Choice("a.b/units", (*AT, "a.b/units"), choices=(8, 32)),
        dataclasses.replace(FOUND.parameters[2], conditions=(Condition("a.b/units", (8,)),)),
        FOUND.parameters[3],
    )
    # The default is not among the values of the file.
    assert made.start_from[0].values == {"a.b/units": 8, "rate": 0.1, "lr": 1e-3}


def test_a_hyperparameter_is_dropped_if_the_file_excludes_the_value_it_depends_on() -> None:
    made = complete(space(", hyperparameters: {kind: cnn}"), FOUND)

    assert [parameter.name for parameter in made.parameters] == ["lr"]


def test_a_condition_keeps_the_values_that_its_parameter_still_has() -> None:
    made = complete(space(", hyperparameters: {'a.b/units': [16, 24]}"), FOUND)

    assert made.parameters[2].conditions == (Condition("a.b/units", (16,)),)
    assert space_from_text(space_to_yaml(made), "s.yaml") == made


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("{knd: mlp}", 'the hypermodel has no hyperparameter "knd"; did you mean `kind`?; it has kind, a.b/units'),
        ("{kind: rnn}", 'the hyperparameter `kind` cannot be "rnn"; the hypermodel allows ["mlp", "cnn"]'),
        (
            "{lr: {low: 1e-4, high: 1}}",
            "the hyperparameter `lr` cannot be 1; the hypermodel allows 0.0001 to 0.01 (log)",
        ),
    ],
)
def test_a_file_cannot_add_hyperparameters_or_values(model: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        complete(space(f", hyperparameters: {model}"), FOUND)

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("key", "lr"),
    [("or", "{low: 1e-3, high: 1e-2, or: 0}"), ("when", "{low: 1e-3, high: 1e-2, when: {kind: mlp}}")],
)
def test_a_condition_that_the_hypermodel_does_not_have_is_refused(key: str, lr: str) -> None:
    with pytest.raises(UserError, match=f"`{key}` does not work for `lr`"):
        complete(space(f", hyperparameters: {{kind: [mlp, cnn], lr: {lr}}}"), FOUND)


def test_the_conditions_of_a_completed_space_are_those_of_the_hypermodel() -> None:
    made = complete(space(", hyperparameters: {'a.b/units': [8, 32]}"), FOUND)
    again = space_from_text(space_to_yaml(dataclasses.replace(made, start_from=())), "s.yaml")

    assert complete(again, FOUND) == made


def test_two_parameters_of_the_same_name_are_refused() -> None:
    found = Discovery(parameters=(IntRange("batch_size", (*AT, "batch_size"), low=1, high=2),))

    with pytest.raises(UserError, match="two parameters would have the name 'batch_size'"):
        complete(space(rest="training: {batch_size: [16, 32]}\n"), found)


@pytest.mark.parametrize("training", ["{optimizer: sgd}", "{optimizer: [sgd, adam]}"])
def test_a_value_that_the_model_does_not_read_is_an_error(training: str) -> None:
    with pytest.raises(UserError) as caught:
        check_training(space(rest=f"training: {training}\n"), FOUND)

    assert str(caught.value) == (
        "`training.optimizer` has no effect: it compiles its model itself; remove it from the file"
    )


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (Choice("a", (), choices=("x", "y")), "x"),
        (IntRange("a", (), low=1, high=9, step=2), 5),
        (FloatRange("a", (), low=1e-4, high=1e-2, log=True), 1e-3),
        (FloatRange("a", (), low=0.0, high=0.4, step=0.1), 0.2),
    ],
)
def test_the_middle_of_a_parameter_is_one_of_its_values(parameter: Parameter, value: object) -> None:
    assert middle(parameter) == pytest.approx(value) if isinstance(value, float) else middle(parameter) == value


def test_the_sampler_stores_a_reverse_logarithmic_range_mirrored() -> None:
    reverse = IntRange("a", (), low=1, high=100, reverse_log=True)

    assert mirrored(reverse, 1) == 100
    assert mirrored(reverse, 98) == 3
    assert mirrored(dataclasses.replace(reverse, reverse_log=False), 98) == 98
