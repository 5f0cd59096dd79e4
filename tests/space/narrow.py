"""The model section of a configuration with its actual type."""

from __future__ import annotations

from sweep.space.config import TrialConfig
from sweep.space.model_sections import VggConfig


def vgg(config: TrialConfig) -> VggConfig:
    """Return the section of the builder `vgg`."""
    assert isinstance(config.model, VggConfig)
    return config.model
