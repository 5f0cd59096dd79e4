"""What a supervisor that was killed left in the study's database."""

from __future__ import annotations

import functools

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from sweep.space.space import Space
from sweep.study.optuna_parameters import suggest

_FIXED = "fixed_params"
"""Optuna's attribute of a trial with the values that were chosen for it; `Study.enqueue_trial` writes it."""


def is_drawn(stored: FrozenTrial, space: Space) -> bool:
    """Whether a trial has all its values: it was killed later, or was to begin when a worker became free."""
    try:
        space.suggest(lambda parameter: stored.params[parameter.name])
    except KeyError:
        return False
    return True


def propose_again(handle: optuna.Study, cut_off: FrozenTrial, sampler: BaseSampler, space: Space) -> optuna.Trial:
    """The trial that was killed while its values were drawn, with the values that it would have had.

    Drawing only those that are missing would give others: a sampler that is made anew begins with its first random
    number, whichever parameter is the first one to be drawn. So all are drawn again, in memory, beside copies of the
    trials that were there.

    Args:
        handle: of the study.
        cut_off: the newest of its trials that are not waiting.
        sampler: made as it was made for this trial.
        space: of the study.
    """
    shadow = optuna.create_study(
        study_name=handle.study_name, direction=handle.direction, sampler=sampler, pruner=handle.pruner
    )
    for trial in handle.get_trials(deepcopy=False):
        if trial.number < cut_off.number and trial.state != TrialState.WAITING:
            shadow.add_trial(trial)
    for key, value in handle._storage.get_study_system_attrs(handle._study_id).items():
        shadow._storage.set_study_system_attr(shadow._study_id, key, value)
    if _FIXED in cut_off.system_attrs:
        shadow.enqueue_trial(cut_off.system_attrs[_FIXED])
    values = space.suggest(functools.partial(suggest, shadow.ask()))
    handle._storage.set_trial_system_attr(cut_off._trial_id, _FIXED, values)
    return optuna.Trial(handle, cut_off._trial_id)
