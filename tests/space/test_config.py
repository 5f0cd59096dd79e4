from __future__ import annotations

import dataclasses
import json

import pytest
from pydantic import ValidationError

from sweep.space.config import (
    AugmentationConfig,
    DataConfig,
    EarlyStoppingConfig,
    PlateauConfig,
    TrainingConfig,
    TrialConfig,
    config_from_mapping,
    config_to_mapping,
    direction_of,
)
from sweep.space.model_sections import DropoutConfig, VggConfig
from tests.space.narrow import vgg

CONFIG = TrialConfig(
    data=DataConfig(name="digits"),
    model=VggConfig(blocks=2, filters=(8, 16), dropout=DropoutConfig(schedule="constant", start=0.3)),
    training=TrainingConfig(reduce_lr_on_plateau=PlateauConfig(), early_stopping=EarlyStoppingConfig(patience=4)),
    augmentation=AugmentationConfig(),
    objective="val_loss",
    seed=2**63 - 1,
)


def test_a_configuration_is_equal_to_its_json() -> None:
    text = json.dumps(config_to_mapping(CONFIG))
    again = config_from_mapping(json.loads(text))
    assert again == CONFIG
    assert hash(again) == hash(CONFIG)
    assert vgg(again).filters == (8, 16)
    assert again.seed == 9223372036854775807


def test_the_direction_follows_from_the_objective() -> None:
    assert direction_of("val_accuracy") == "maximize"
    assert direction_of("val_loss") == "minimize"
    assert CONFIG.direction == "minimize"


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CONFIG.seed = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("model", "blocks"), "2"),
        (("model", "blocks"), 2.0),
        (("model", "blocks"), True),
        (("model", "blocks"), 9),
        (("model", "filters"), [8, 0]),
        (("model", "layers"), 3),
        (("model", "builder"), "vg"),
        (("model", "l2"), float("nan")),
        (("model", "l2"), float("inf")),
        (("model", "dropout"), None),
        (("training", "learning_rate"), 0),
        (("training", "optimizer"), "SGD"),
        (("augmentation", "strength"), 1.5),
        (("data", "validation"), 1),
        (("data", "image_size"), 100_000),
        (("objective",), "accuracy"),
        (("seed",), -1),
        (("seed",), 2**63),
        (("threads",), 0),
    ],
)
def test_a_wrong_value_of_a_record_is_refused(path: tuple[str, ...], value: object) -> None:
    mapping = config_to_mapping(CONFIG)
    here = mapping
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = value
    with pytest.raises(ValidationError) as caught:
        config_from_mapping(mapping)
    assert path[-1] in str(caught.value)


def test_a_record_without_a_section_is_refused() -> None:
    mapping = config_to_mapping(CONFIG)
    del mapping["training"]
    with pytest.raises(ValidationError, match="training"):
        config_from_mapping(mapping)
