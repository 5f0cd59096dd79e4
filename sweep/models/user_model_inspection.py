"""Looking at a model of the user's own before the first trial: for `call_in_child`."""

from __future__ import annotations

from collections.abc import Mapping

from sweep.errors import TrialFailure, UserError
from sweep.models.build import build
from sweep.models.hypermodel_discovery import OPTIMIZER_KEYS, PLATEAU, discover
from sweep.models.losses import check_outputs_about_noise
from sweep.models.user_builder import user_compiled
from sweep.models.user_code import has_schedule
from sweep.records.image_facts import ImageFacts
from sweep.space.config import TrialConfig
from sweep.space.hypermodel_space import Discovery
from sweep.space.model_sections import HypermodelConfig
from sweep.space.parameters import Parameter


def inspect_model(config: TrialConfig, facts: ImageFacts, written: Mapping[str, Parameter]) -> Discovery | str:
    """What the model tells about itself, or what is wrong with it, as text: an exception would come as a traceback.

    Args:
        config: of any point of the space.
        facts: of the images.
        written: what the file says about hyperparameters.
    """
    try:
        if isinstance(config.model, HypermodelConfig):
            return discover(config.model, facts, written)
        return _look_at(config, facts)
    except UserError as error:
        return str(error)


def _look_at(config: TrialConfig, facts: ImageFacts) -> Discovery:
    try:
        model = build(config, facts, seed=0)
    except TrialFailure:  # this very point is too large; others may not be
        return Discovery()
    check_outputs_about_noise(model, facts.shape, config.model.output, config.model.builder)
    network = user_compiled(model)
    if network is None:
        return Discovery()
    unused = dict.fromkeys(OPTIMIZER_KEYS, f"{config.model.builder} compiles its model itself")
    if has_schedule(network):
        unused[PLATEAU] = f"the optimizer of {config.model.builder} has a schedule of its own"
    return Discovery(unused=unused)
