"""Pre-trained weights are there before the first trial runs, and stay the same ones while a study lives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sweep.errors import WeightsError
from sweep.execution.child_call import call_in_child
from sweep.space.corners import branches, largest, smallest
from sweep.space.model_sections import TransferConfig
from sweep.space.pinned_files import WORDS, check_weights_file, file_digest
from sweep.space.space import Space


def pin_weights(space: Space) -> Space:
    """The space with the digest of its weights file, if it names one.

    Raises:
        WeightsError: there is no such file.
    """
    weights = space.template["model"].get("weights", "imagenet")
    # A hypermodel's section has no builder.
    if space.template["model"].get("builder") != "transfer" or weights in WORDS:
        return space
    digest = space.template["model"].get("weights_digest")
    check_weights_file(weights, digest)
    model = {**space.template["model"], "weights_digest": digest or file_digest(Path(weights))}
    return replace(space, template={**space.template, "model": model})


def require_weights(space: Space, shape: tuple[int, int, int]) -> None:
    """Fetch the pre-trained weights that a point of the space may ask for; Keras keeps them in its folder.

    Args:
        space: whose models are meant.
        shape: of the images.

    Raises:
        WeightsError: they cannot be had, with the place where to put the file.
    """
    configs = _pretrained(space)
    missing = call_in_child("sweep.training.model_probe:missing_weights", configs, shape) if configs else ""
    if missing:
        raise WeightsError(missing)


def _pretrained(space: Space) -> list[TransferConfig]:
    """One configuration of each backbone that the space has."""
    points = [smallest(space), largest(space), *(point for _, point in branches(space))]
    models = [space.config(point).model for point in points]
    found = {m.backbone: m for m in models if isinstance(m, TransferConfig) and m.weights != "none"}
    return list(found.values())
