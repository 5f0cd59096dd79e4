"""The shipped spaces, built at their corners on small images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sweep.models.build import build, untrained
from sweep.models.model_size import count_parameters
from sweep.records.image_facts import ImageFacts
from sweep.space.config import TrialConfig
from sweep.space.corners import branches, largest, smallest
from sweep.space.model_sections import TransferConfig
from sweep.space.reader import read_space

FOLDER = Path(__file__).parents[2] / "search_spaces"
SMALL = ImageFacts((32, 32, 3), 10, (0.5,) * 3, (0.25,) * 3)


def corners(name: str) -> list[TrialConfig]:
    space = read_space(FOLDER / f"{name}.yaml")
    return [
        space.config(point) for point in (smallest(space), largest(space), *(point for _, point in branches(space)))
    ]


def test_every_corner_of_the_residual_space_can_be_built() -> None:
    configs = {config.model: config for config in corners("resnet")}

    counts = [count_parameters(build(config, SMALL, seed=0)) for config in configs.values()]

    assert len(counts) >= 4
    assert min(counts) > 10_000
    assert max(counts) < 20_000_000


@pytest.mark.slow
def test_every_backbone_of_the_transfer_space_can_be_built_at_32_pixels() -> None:
    models = {
        config.model.backbone: replace(config, model=replace(config.model, input_size=None))
        for config in corners("transfer")
        if isinstance(config.model, TransferConfig)
    }

    assert sorted(models) == ["DenseNet121", "EfficientNetV2B0", "MobileNetV2", "ResNet50V2"]
    assert all(count_parameters(build(untrained(config), SMALL, seed=0)) > 2_000_000 for config in models.values())


def test_both_spaces_are_read_with_their_builders() -> None:
    assert [corners(name)[0].model.builder for name in ("resnet", "transfer")] == ["resnet", "transfer"]
