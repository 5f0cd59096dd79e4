"""A model of the user's own, before a sweep over it begins: built in a child process, it tells its space."""

from __future__ import annotations

from sweep.errors import ModelError
from sweep.execution.child_call import call_in_child
from sweep.records.image_facts import ImageFacts
from sweep.space.hypermodel_space import Discovery, check_training, complete, written_hyperparameters
from sweep.space.model_sections import HypermodelConfig
from sweep.space.space import Space


def complete_user_space(space: Space, facts: ImageFacts) -> Space:
    """The space with all that only the model itself knows; the same space where sweep knows the model.

    Raises:
        ModelError: the model cannot be imported or built, with the user's own traceback.
        UserError: the file has a value that has no effect on it, or speaks of a hyperparameter that there is not.
    """
    if not space.has_user_model:
        return space
    config = space.smallest_config
    answer: Discovery | str = call_in_child(
        "sweep.training.model_probe:inspect_model", config, facts, written_hyperparameters(space)
    )
    if isinstance(answer, str):
        raise ModelError(answer)
    check_training(space, answer)
    return complete(space, answer) if isinstance(config.model, HypermodelConfig) else space
