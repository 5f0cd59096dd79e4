"""What a killed supervisor left in the study's database."""

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
    """True if a trial has all its values: it was killed later, or waited for a free worker."""
    try:
        space.suggest(lambda parameter: stored.params[parameter.name])
    except KeyError:
        return False
    return True


def propose_again(handle: optuna.Study, interrupted: FrozenTrial, sampler: BaseSampler, space: Space) -> optuna.Trial:
    """Return a trial that was killed while its values were drawn, with the values that it would have received.

    Drawing only the missing values would give different ones: a new sampler starts with its first random number,
    whichever parameter it draws first. So all values are drawn again, in memory, next to copies of the earlier trials.

    Args:
        handle: the study.
        interrupted: the newest of its trials that are not waiting.
        sampler: created as it was for this trial.
        space: the study's space.
    """
    shadow = optuna.create_study(
        study_name=handle.study_name, direction=handle.direction, sampler=sampler, pruner=handle.pruner
    )
    for trial in handle.get_trials(deepcopy=False):
        if trial.number < interrupted.number and trial.state != TrialState.WAITING:
            shadow.add_trial(trial)
    for key, value in handle._storage.get_study_system_attrs(handle._study_id).items():
        shadow._storage.set_study_system_attr(shadow._study_id, key, value)
    if _FIXED in interrupted.system_attrs:
        shadow.enqueue_trial(interrupted.system_attrs[_FIXED])
    values = space.suggest(functools.partial(suggest, shadow.ask()))
    handle._storage.set_trial_system_attr(interrupted._trial_id, _FIXED, values)
    return optuna.Trial(handle, interrupted._trial_id)
