from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweep.errors import ModelError
from sweep.models.hypermodel_discovery import discover
from sweep.records.image_facts import ImageFacts
from sweep.space.hypermodel_space import Discovery
from sweep.space.model_sections import HYPERPARAMETERS, HypermodelConfig
from sweep.space.parameters import Choice, Parameter

HYPERMODELS = Path(__file__).parent / "hypermodels"
FACTS = ImageFacts((8, 8, 1), 10, (0.5,), (0.25,))


def found(name: str, written: dict[str, Parameter] | None = None) -> Discovery:
    return discover(HypermodelConfig(hypermodel=f"guides:{name}", folder=str(HYPERMODELS)), FACTS, written or {})


def conditions(discovery: Discovery) -> dict[str, dict[str, tuple[Any, ...]]]:
    return {p.name: {c.name: c.values for c in p.conditions} for p in discovery.parameters if p.conditions}


def test_what_a_loop_and_an_if_decide_becomes_conditional() -> None:
    # One value of `act` is enough here: it decides nothing.
    act = Choice("act", (*HYPERPARAMETERS, "act"), choices=("relu",))

    assert conditions(found("build_layers", {"act": act})) == {
        "units_1": {"layers": (2, 3)},
        "units_2": {"layers": (3,)},
        "rate": {"dropout": (True,)},
    }


def test_conditional_and_name_scopes_are_taken_over() -> None:
    discovery = found("Conditional")

    assert conditions(discovery) == {
        "mlp/units": {"model_type": ("mlp",)},
        "cnn/filters": {"model_type": ("cnn",)},
    }
    assert set(discovery.unused) == {
        "optimizer", "momentum", "weight_decay", "learning_rate", "clipnorm", "label_smoothing", "schedule",
        "warmup_epochs", "lowest_rate", "cycle_epochs", "class_weights", "precision", "restart_every",
    }  # fmt: skip


def test_hyperparameters_of_fit_are_found_without_training() -> None:
    discovery = found("TunesFit")

    assert [p.name for p in discovery.parameters] == ["units", "normalize", "batch_size", "shuffle"]
    assert discovery.defaults == {"units": 8, "normalize": True, "batch_size": 16, "shuffle": False}
    assert discovery.unused["batch_size"] == "the `fit` of guides:TunesFit has its own `batch_size`"
    assert "epochs" not in discovery.unused


def test_a_training_loop_without_model_fit_is_looked_into_as_well() -> None:
    discovery = found("OwnLoop")

    assert [p.name for p in discovery.parameters] == ["flip", "units", "batch_size", "learning_rate"]
    assert discovery.unused.keys() >= {"epochs", "batch_size"}
    assert "optimizer" in discovery.unused


def test_an_instance_will_do() -> None:
    assert [p.name for p in found("instance").parameters] == ["units", "normalize", "batch_size", "shuffle"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ARRAY", "guides:ARRAY is a ndarray; expected a keras_tuner.HyperModel, its class, or a function build(hp)"),
        ("build_broken", "guides:build_broken: build(hp) failed:\nTraceback"),
        ("build_none", "guides:build_none: build(hp) must return a keras.Model, not NoneType"),
        ("build_wide", "guides:build_wide has outputs of shape (None, 11); expected (batch, 10), a number per class"),
        ("build_logits", "guides:build_logits is compiled with from_logits=True, but `output` is softmax"),
    ],
)
def test_what_is_no_hypermodel_of_a_classifier_is_refused(name: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        found(name)

    assert str(caught.value).startswith(message)


def test_a_failure_shows_the_users_own_frames_alone() -> None:
    with pytest.raises(ModelError) as caught:
        found("build_broken")

    message = str(caught.value)
    assert "guides.py" in message
    assert "in build_broken" in message
    assert "ZeroDivisionError: division by zero" in message
    assert "site-packages" not in message
    assert "hypermodels.py" not in message
