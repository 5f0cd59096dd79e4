"""The model section of a configuration as what the test knows it to be."""

from __future__ import annotations

from sweep.space.config import TrialConfig
from sweep.space.model_sections import VggConfig


def vgg(config: TrialConfig) -> VggConfig:
    """The section of the builder `vgg`."""
    assert isinstance(config.model, VggConfig)
    return config.model
